//! The names under which a file of people may call a role, taken from the roles document.

use serde::Deserialize;
use std::collections::BTreeMap;
use sync_core::cases::SYSTEM_ROLE;

/// Why a roles document cannot serve an import.
#[derive(Debug, thiserror::Error)]
pub enum RoleCatalogueError {
    /// The document is not a roles document.
    #[error("the roles document cannot be read")]
    Unreadable(#[from] serde_json::Error),
    /// Two roles share a code or a name.
    #[error("two roles are called {name}")]
    NameTwice {
        /// The code or name.
        name: String,
    },
}

#[derive(Deserialize)]
struct Document {
    roles: Vec<Role>,
}

#[derive(Deserialize)]
struct Role {
    code: String,
    name: Name,
}

#[derive(Deserialize)]
struct Name {
    zh: String,
    en: String,
}

/// The roles of a district by code and by name in either language.
#[derive(Clone, Debug)]
pub struct RoleCatalogue {
    code_by_name: BTreeMap<String, String>,
    chinese_name_by_code: BTreeMap<String, String>,
}

impl RoleCatalogue {
    /// Reads a roles document. Errs when it is malformed or a name is not unique.
    pub fn from_document(json: &str) -> Result<Self, RoleCatalogueError> {
        let document: Document = serde_json::from_str(json)?;
        let mut catalogue = Self {
            code_by_name: BTreeMap::new(),
            chinese_name_by_code: BTreeMap::new(),
        };
        let grantable = document.roles.into_iter();
        // That one the server has alone.
        for Role { code, name } in grantable.filter(|role| role.code != SYSTEM_ROLE) {
            for word in [&code, &name.zh, &name.en] {
                let earlier = catalogue.code_by_name.insert(fold_case(word), code.clone());
                if earlier.is_some_and(|earlier| earlier != code) {
                    return Err(RoleCatalogueError::NameTwice { name: word.clone() });
                }
            }
            if catalogue
                .chinese_name_by_code
                .insert(code.clone(), name.zh)
                .is_some()
            {
                return Err(RoleCatalogueError::NameTwice { name: code });
            }
        }
        Ok(catalogue)
    }

    /// The code of a role called by its code, its Chinese or its English name; `None` when there is none.
    pub fn find_code(&self, name: &str) -> Option<&str> {
        self.code_by_name.get(&fold_case(name)).map(String::as_str)
    }

    /// The Chinese name of a role; `None` when there is no such code.
    pub fn find_chinese_name(&self, code: &str) -> Option<&str> {
        self.chinese_name_by_code.get(code).map(String::as_str)
    }
}

fn fold_case(name: &str) -> String {
    name.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_found_by_code_and_by_either_name() {
        let catalogue =
            RoleCatalogue::from_document(include_str!("../../../sync-core/documents/roles.json"))
                .expect("the default document");
        for name in ["worker", "网格员", "Grid worker", " grid WORKER "] {
            assert_eq!(catalogue.find_code(name), Some("worker"), "{name}");
        }
        assert_eq!(catalogue.find_code("皇帝"), None);
        assert_eq!(catalogue.find_chinese_name("duty_desk"), Some("值守台"));
    }

    #[test]
    fn a_document_with_one_name_for_two_roles_is_refused() {
        let json = r#"{"roles":[{"code":"a","name":{"zh":"甲","en":"One"}},{"code":"b","name":{"zh":"乙","en":"one"}}]}"#;
        assert!(matches!(
            RoleCatalogue::from_document(json),
            Err(RoleCatalogueError::NameTwice { .. })
        ));
        assert!(matches!(
            RoleCatalogue::from_document("[]"),
            Err(RoleCatalogueError::Unreadable(_))
        ));
    }
}
