//! `gridwork admin`: people, units, roles, codes and replicas of a district.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Options of `gridwork admin`.
#[derive(Clone, Debug, Args)]
pub struct AdminArgs {
    /// 数据目录 / Data directory.
    #[arg(
        long,
        value_name = "DIR",
        env = "GRIDWORK_DATA",
        default_value = "data",
        global = true
    )]
    pub data: PathBuf,
    /// 区域代码；只有一个区域时可省略 / The district's code; may be left out when there is one.
    #[arg(long, value_name = "CODE", global = true)]
    pub district: Option<String>,
    /// 输出一个 JSON 对象 / Print exactly one JSON object.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: AdminCommand,
}

/// What `gridwork admin` does.
#[derive(Clone, Debug, Subcommand)]
pub enum AdminCommand {
    /// 列出单位 / List units.
    Units,
    /// 新增单位 / Add a unit.
    AddUnit {
        /// 上级单位编号 / Number of the unit above.
        #[arg(long, value_name = "UNIT")]
        parent: u32,
        /// 路径段，例如 013 / Last part of its path, such as 013.
        #[arg(long, value_name = "CODE")]
        code: String,
        /// 名称 / Name.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// 类型：town、community、grid、department / Kind: town, community, grid, department.
        #[arg(long, value_name = "KIND")]
        kind: String,
    },
    /// 从 GeoJSON 导入单位边界 / Import units and boundaries from GeoJSON.
    ImportUnits {
        /// GeoJSON 文件 / GeoJSON file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// 列出人员 / List people.
    People,
    /// 新增人员 / Add a person.
    AddPerson {
        /// 姓名 / Name.
        #[arg(long, value_name = "NAME")]
        name: String,
    },
    /// 从 CSV 导入人员及角色 / Import people and their roles from CSV.
    ImportPeople {
        /// CSV 文件 / CSV file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// 授予角色 / Grant a role.
    Grant(RoleArgs),
    /// 收回角色 / End a role.
    Revoke(RoleArgs),
    /// 生成一次性登记码 / Make a one-time enrolment code.
    Code {
        /// 人员编号 / Number of the person.
        #[arg(long, value_name = "PERSON")]
        person: u32,
    },
    /// 列出设备副本 / List replicas.
    Replicas,
    /// 撤销设备副本 / Revoke a replica.
    RevokeReplica {
        /// 副本标识 / The replica's id.
        #[arg(value_name = "REPLICA")]
        replica: uuid::Uuid,
    },
    /// 确认服务器时钟无误，恢复接收 / Agree that the clock is right after a jump, so that taking in goes on.
    AgreeClock,
}

/// A role of a person on a unit.
#[derive(Clone, Debug, Args)]
pub struct RoleArgs {
    /// 人员编号 / Number of the person.
    #[arg(long, value_name = "PERSON")]
    pub person: u32,
    /// 角色 / Role.
    #[arg(long, value_name = "ROLE")]
    pub role: String,
    /// 单位编号 / Number of the unit.
    #[arg(long, value_name = "UNIT")]
    pub unit: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::DemoArgs;
    use crate::cli::fleet::FleetArgs;
    use crate::cli::init::InitArgs;
    use crate::cli::serve::ServeArgs;
    use crate::cli::verify::VerifyArgs;
    use clap::Command;

    #[test]
    fn every_command_describes_every_option() {
        let commands = [
            AdminArgs::augment_args(Command::new("admin")),
            DemoArgs::augment_args(Command::new("demo")),
            FleetArgs::augment_args(Command::new("fleet")),
            InitArgs::augment_args(Command::new("init")),
            ServeArgs::augment_args(Command::new("serve")),
            VerifyArgs::augment_args(Command::new("verify")),
        ];
        for mut command in commands {
            command.build();
            command.clone().debug_assert();
            let nested = command.get_subcommands().flat_map(Command::get_arguments);
            for option in command.get_arguments().chain(nested) {
                assert!(
                    option.get_help().is_some(),
                    "{} {} has no help",
                    command.get_name(),
                    option.get_id()
                );
            }
        }
    }
}
