//! Which of our two languages a caller wants: Chinese, unless `Accept-Language` prefers English.

/// A language that the server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Chinese, the default.
    #[default]
    Chinese,
    /// English.
    English,
}

impl Language {
    /// The language tag for `Content-Language`.
    pub fn tag(self) -> &'static str {
        match self {
            Language::Chinese => "zh",
            Language::English => "en",
        }
    }

    /// Reads an `Accept-Language` value; what it does not understand counts for nothing.
    pub fn preferred(accept_language: &str) -> Self {
        let mut best = (0, Language::Chinese);
        for range in accept_language.split(',').take(20) {
            let mut parts = range.split(';').map(str::trim);
            let language = match parts.next().and_then(|tag| tag.split('-').next()) {
                Some(tag) if tag.eq_ignore_ascii_case("en") => Language::English,
                Some(tag) if tag.eq_ignore_ascii_case("zh") || tag == "*" => Language::Chinese,
                _ => continue,
            };
            let weight = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1000, weight_thousandths);
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }
}

/// `0`, `0.8`, `1.000` in thousandths; anything else counts as 0.
fn weight_thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    let fraction = format!("{fraction:0<3}").parse().unwrap_or(0);
    match whole {
        "0" => fraction,
        "1" => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_unless_english_is_preferred() {
        for (header, language) in [
            ("", Language::Chinese),
            ("fr-FR", Language::Chinese),
            ("en", Language::English),
            ("en-GB,en;q=0.9,zh;q=0.8", Language::English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("zh;q=0.1, en;q=0.2", Language::English),
            ("fr, en;q=0.5", Language::English),
            ("en;q=0", Language::Chinese),
            ("en;q=99999999999", Language::Chinese),
            ("*;q=0.5,en;q=0.4", Language::Chinese),
            (";;;,,=\u{1f}", Language::Chinese),
        ] {
            assert_eq!(Language::preferred(header), language, "{header:?}");
        }
    }
}
