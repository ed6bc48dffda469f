//! Named situations that a campaign must have met. A test that never gets into trouble proves nothing: a campaign fails
//! when a mark was never hit.

use std::collections::BTreeMap;

/// All marks, each with what it stands for.
pub const MARKS: [(&str, &str); 48] = [
    ("accepted", "a change was accepted"),
    (
        "conflict",
        "two values that did not see each other stand side by side",
    ),
    ("not_applied", "a step came second"),
    ("held", "a change waited for another"),
    ("quarantined", "a change was parked with its reason"),
    ("released", "what was waited for came"),
    ("repaired", "a parked change was replaced"),
    ("admitted", "a person let a change in"),
    ("rejected", "a person ended a change"),
    (
        "duplicates",
        "an upload was repeated and answered as before",
    ),
    ("clone_forked", "a cloned phone was told apart"),
    (
        "old_copy_forked",
        "a phone put back from a copy was told apart",
    ),
    ("fork_continued", "a phone went on under a new name"),
    ("fork_answer_lost", "the answer to that got lost"),
    (
        "repeated_origin",
        "a change of a forked branch was repeated",
    ),
    ("restored", "the server was put back from a copy"),
    ("taken_back", "a receipt brought a lost change back"),
    (
        "commit_before_crash",
        "the server died after a commit that it never told of",
    ),
    ("crash_before_commit", "the server died before the commit"),
    (
        "phone_crash_while_making",
        "a phone died while a change was stored",
    ),
    (
        "made_although_crashed",
        "that change was on the disk all the same",
    ),
    (
        "phone_crash_while_applying",
        "a phone died while an answer was taken in",
    ),
    (
        "late_answer_ignored",
        "an answer came that nobody waited for",
    ),
    ("late_request", "a request came after a later one"),
    (
        "group_of_batches",
        "several phones' batches shared one commit",
    ),
    ("server_full", "the server had no room and said so"),
    ("phone_full", "a phone had no room and said so"),
    ("clock_stopped", "a jump of the clock stopped admission"),
    (
        "clock_a_year_off",
        "work came from a phone whose clock was years off",
    ),
    ("scope_lost", "records left a phone"),
    ("frozen_copy", "a record stayed for the sake of unsent work"),
    ("revoked_handed_in", "a revoked phone handed in its work"),
    (
        "wiped",
        "a revoked phone wiped itself when its work was safe",
    ),
    ("moved", "a record moved between units"),
    ("unreadable", "a change came that nobody can read"),
    ("unknown_intent", "a change came from a newer app"),
    ("reinstalled", "a person began anew"),
    (
        "unknown_replica",
        "a phone had enrolled after the copy that the server was put back from",
    ),
    ("portal", "a captive portal answered"),
    (
        "rolled_back",
        "the server's files went back to an earlier state, and nobody told it",
    ),
    (
        "roll_back_noticed",
        "a phone showed a head of the lost history, and a new epoch began",
    ),
    ("backed_up", "a back-up was made"),
    ("backup_cut_off", "the power went while a back-up was made"),
    ("backup_restored", "a back-up was put back"),
    (
        "kept_unread",
        "an older app kept what it could not read, and was replaced by a newer one",
    ),
    (
        "updated_app_shows",
        "what an older app could not read was shown by the newer one",
    ),
    ("older_app", "an older app came to a phone with work on it"),
    (
        "server_learned",
        "a newer server ruled on what had waited for it",
    ),
];

/// How often each situation came about.
#[derive(Clone, Debug, Default)]
pub struct Marks(BTreeMap<&'static str, u64>);

impl Marks {
    /// It came about.
    ///
    /// # Panics
    /// When there is no such mark.
    pub fn hit(&mut self, name: &'static str) {
        self.add(name, 1);
    }

    /// It came about so many times.
    ///
    /// # Panics
    /// When there is no such mark.
    pub fn add(&mut self, name: &'static str, times: u64) {
        assert!(
            MARKS.iter().any(|(known, _)| *known == name),
            "BUG: no mark is named {name}"
        );
        if times > 0 {
            *self.0.entry(name).or_default() += times;
        }
    }

    /// Adds those of another world.
    pub fn merge(&mut self, other: &Self) {
        for (name, times) in &other.0 {
            *self.0.entry(name).or_default() += times;
        }
    }

    /// How often one came about.
    pub fn count(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// The names of those that never did.
    pub fn missed(&self) -> Vec<&'static str> {
        let all = MARKS.iter().map(|(name, _)| *name);
        all.filter(|name| self.count(name) == 0).collect()
    }
}
