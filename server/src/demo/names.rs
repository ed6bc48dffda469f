//! Made-up names of places and people.

use super::dice::Dice;
use std::collections::BTreeSet;

/// A Chinese and an English name.
pub(super) type Names = (&'static str, &'static str);

pub(super) const DISTRICT: Names = ("云屿示范区", "Yunyu Demo District");

pub(super) const TOWNS: [Names; 3] = [
    ("望潮街道", "Wangchao Street"),
    ("松涧镇", "Songjian Town"),
    ("白鹭镇", "Bailu Town"),
];

pub(super) const COMMUNITIES: [Names; 24] = [
    ("听涛社区", "Tingtao"),
    ("望海社区", "Wanghai"),
    ("灯塔社区", "Dengta"),
    ("渔歌社区", "Yuge"),
    ("银滩社区", "Yintan"),
    ("南堤社区", "Nandi"),
    ("帆影社区", "Fanying"),
    ("新港社区", "Xingang"),
    ("松风社区", "Songfeng"),
    ("石桥社区", "Shiqiao"),
    ("茶园村", "Chayuan"),
    ("竹溪村", "Zhuxi"),
    ("桂花社区", "Guihua"),
    ("青石社区", "Qingshi"),
    ("云岭村", "Yunling"),
    ("东涧社区", "Dongjian"),
    ("鹭洲社区", "Luzhou"),
    ("稻香村", "Daoxiang"),
    ("荷塘社区", "Hetang"),
    ("芦苇社区", "Luwei"),
    ("水车村", "Shuiche"),
    ("柳岸社区", "Liuan"),
    ("晨光社区", "Chenguang"),
    ("北渡社区", "Beidu"),
];

pub(super) const NUMERALS: [&str; 10] =
    ["一", "二", "三", "四", "五", "六", "七", "八", "九", "十"];

/// The departments by the key under which the category document calls the unit in the lead.
pub(super) const DEPARTMENTS: [(&str, Names); 12] = [
    (
        "urban_management",
        ("区城市管理局", "Urban Management Bureau"),
    ),
    ("sanitation", ("区环境卫生管理所", "Sanitation Office")),
    ("water", ("区水务局", "Water Bureau")),
    ("roads", ("区道路养护中心", "Road Maintenance Centre")),
    ("utilities", ("区公用事业中心", "Utilities Centre")),
    ("parks", ("区园林绿化所", "Parks Office")),
    ("fire", ("区消防救援大队", "Fire Brigade")),
    (
        "housing",
        ("区住房和建设局", "Housing and Construction Bureau"),
    ),
    ("emergency", ("区应急管理局", "Emergency Management Bureau")),
    (
        "natural_resources",
        ("区自然资源局", "Natural Resources Bureau"),
    ),
    ("civil_affairs", ("区民政局", "Civil Affairs Bureau")),
    ("justice", ("区司法局", "Justice Bureau")),
];

/// What a patrol looks at, and whether it is red: to be seen in every key period.
pub(super) const MUST_POINTS: [(Names, bool); 12] = [
    (("小区东门", "East gate"), false),
    (("消防栓", "Fire hydrant"), true),
    (("配电房", "Switch room"), true),
    (("河堤口", "Dyke gate"), true),
    (("学校门口", "School gate"), true),
    (("农贸市场", "Market"), false),
    (("公交站", "Bus stop"), false),
    (("电动车停放棚", "E-bike shed"), true),
    (("排涝泵站", "Pumping station"), true),
    (("社区广场", "Square"), false),
    (("老楼楼梯口", "Old stairway"), false),
    (("小商铺街", "Shop street"), false),
];

const SURNAMES: [&str; 40] = [
    "王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "郭",
    "何", "林", "罗", "高", "郑", "梁", "谢", "宋", "唐", "许", "邓", "冯", "韩", "曹", "曾", "彭",
    "萧", "蔡", "潘", "田", "董", "袁", "欧阳", "司徒",
];

const FIRST_CHARACTERS: [&str; 24] = [
    "晓", "文", "志", "雨", "思", "海", "春", "秋", "明", "佳", "子", "若", "建", "国", "玉", "云",
    "景", "书", "安", "清", "嘉", "亦", "永", "锦",
];

const SECOND_CHARACTERS: [&str; 24] = [
    "岚", "涛", "宁", "航", "萍", "峰", "兰", "辉", "琴", "帆", "梅", "川", "洁", "平", "晴", "松",
    "荷", "远", "悦", "诚", "舟", "霞", "朗", "芸",
];

/// So many names of people, no two alike.
pub(super) fn people(count: usize, dice: &mut Dice) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut names = Vec::with_capacity(count);
    while names.len() < count {
        let first = if dice.below(4) == 0 {
            ""
        } else {
            *dice.pick(&FIRST_CHARACTERS)
        };
        let name = format!(
            "{}{first}{}",
            dice.pick(&SURNAMES),
            dice.pick(&SECOND_CHARACTERS)
        );
        if seen.insert(name.clone()) {
            names.push(name);
        }
    }
    names
}
