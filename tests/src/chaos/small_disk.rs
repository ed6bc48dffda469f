//! A small disk for the server's data, that can be filled and freed: a tmpfs, where this machine lets us mount one.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Room for a run's data several times over; filled in well under a second.
const SIZE: &str = "size=64m";

/// A mounted disk; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one on an empty directory. `None` where this machine does not let us.
    pub fn mount(path: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "tmpfs"])
            .arg(path)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        mounted.then(|| Self {
            path: path.to_owned(),
        })
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Fills it to the last block.
    ///
    /// # Errors
    /// Any error but that it is full.
    pub fn fill(&self) -> std::io::Result<()> {
        let mut file = File::create(self.ballast())?;
        let chunk = vec![0; 64 * 1024];
        for part in [&chunk[..], &chunk[..4096]] {
            loop {
                match file.write_all(part) {
                    Ok(()) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// The file system's.
    pub fn free(&self) -> std::io::Result<()> {
        match std::fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Copies what is on it to a directory that stays.
    pub fn keep(&self, to: &Path) -> bool {
        Command::new("cp")
            .arg("-a")
            .arg(self.path.join("."))
            .arg(to)
            .status()
            .is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A disk that stays mounted is seen by the next look into the directory; nothing else can be done here.
        let _ = Command::new("umount").arg(&self.path).status();
    }
}
