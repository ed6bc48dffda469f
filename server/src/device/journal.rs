//! What a device has promised, one JSON object a line, for whoever checks it from outside after it was killed: each change
//! that the replica has saved, each verdict that it has stored. A line is on the disk before the device goes on.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sync_core::verdict::Verdict;
use uuid::Uuid;

use super::{DeviceError, io};

/// A line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The replica has said that a change is saved.
    Saved(Saved),
    /// The replica has stored a verdict under a verified receipt.
    Verdict(Received),
    /// A digest has shown that the replica differed from the server; it began to mend itself.
    Differed(Differed),
}

/// A change that was saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Under which name.
    pub replica: Uuid,
    /// Its place in that chain.
    pub seq: u64,
    /// The chain's hash there, hexadecimal.
    pub hash: String,
    /// A text that stands in this change's payload and in no other; none for a script that has none.
    pub mark: Option<String>,
    /// What it is about.
    pub record: Uuid,
    /// What it does.
    pub intent: String,
}

/// A difference that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differed {
    /// Under which name.
    pub replica: Uuid,
    /// Up to which place of the log the replica was.
    pub pos: u64,
}

/// A verdict that was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Under which name the change was made.
    pub replica: Uuid,
    /// Its place in that chain.
    pub seq: u64,
    /// The chain's hash there, hexadecimal.
    pub hash: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The whole answer as it is encoded on the wire, hexadecimal.
    pub answer: String,
    /// When it was done, as the server fixed it.
    pub time_ms: i64,
    /// The epoch of its place in the log.
    pub epoch: u32,
    /// Its place in the log.
    pub pos: u64,
}

/// A journal that is written.
#[derive(Debug)]
pub struct Journal {
    file: File,
    /// The last verdict noted of each name.
    noted: BTreeMap<Uuid, u64>,
}

impl Journal {
    /// Opens a journal or begins it. A line that a kill has cut off is taken away: it was never told.
    ///
    /// # Errors
    /// The file system's, or lines that are none.
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        let failed = "the journal cannot be opened";
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io(failed))?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(io(failed))?;
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        file.set_len(whole as u64).map_err(io(failed))?;
        file.seek(SeekFrom::End(0)).map_err(io(failed))?;
        let mut noted = BTreeMap::new();
        for line in read_lines(&text[..whole])? {
            if let Line::Verdict(received) = line {
                noted.insert(received.replica, received.seq);
            }
        }
        Ok(Self { file, noted })
    }

    /// The last change of a name whose verdict is noted; 0 when none is.
    pub fn noted(&self, replica: Uuid) -> u64 {
        self.noted.get(&replica).copied().unwrap_or(0)
    }

    /// Notes lines; they are on the disk when this returns.
    ///
    /// # Errors
    /// The file system's.
    pub fn note(&mut self, lines: &[Line]) -> Result<(), DeviceError> {
        let mut text = String::new();
        for line in lines {
            text.push_str(&serde_json::to_string(line).expect("BUG: a line has no JSON"));
            text.push('\n');
        }
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(io("the journal cannot be written"))?;
        for line in lines {
            if let Line::Verdict(received) = line {
                self.noted.insert(received.replica, received.seq);
            }
        }
        Ok(())
    }
}

/// The lines of a journal; what stands behind the last line's end was never told.
///
/// # Errors
/// A line that is none.
pub fn read_lines(text: &str) -> Result<Vec<Line>, DeviceError> {
    let whole = text.rfind('\n').map_or("", |at| &text[..at]);
    whole
        .lines()
        .map(|line| {
            serde_json::from_str(line).map_err(|error| DeviceError::Io {
                what: "the journal holds something else than its lines",
                source: error.into(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(seq: u64) -> Line {
        Line::Saved(Saved {
            replica: Uuid::from_u128(7),
            seq,
            hash: "00".into(),
            mark: None,
            record: Uuid::from_u128(8),
            intent: "visit.log".into(),
        })
    }

    #[test]
    fn a_line_that_was_cut_off_is_taken_away_and_the_rest_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let verdict = Line::Verdict(Received {
            replica: Uuid::from_u128(7),
            seq: 2,
            hash: "00".into(),
            verdict: Verdict::Held,
            answer: "03".into(),
            time_ms: 7,
            epoch: 1,
            pos: 9,
        });
        let mut journal = Journal::open(&path).unwrap();
        journal.note(&[saved(1), saved(2)]).unwrap();
        journal.note(std::slice::from_ref(&verdict)).unwrap();
        drop(journal);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"saved\":{\"repl");
        std::fs::write(&path, &text).unwrap();
        assert_eq!(read_lines(&text).unwrap().len(), 3);

        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(journal.noted(Uuid::from_u128(7)), 2);
        journal.note(&[saved(3)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            read_lines(&text).unwrap(),
            [saved(1), saved(2), verdict, saved(3)]
        );
    }

    #[test]
    fn a_journal_with_something_else_in_it_is_refused() {
        assert!(read_lines("nothing\n").is_err());
        assert_eq!(read_lines("nothing").unwrap(), []);
    }
}
