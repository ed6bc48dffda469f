//! A simulated file system below SQLite: it knows what was synced, fails on command, and loses power by a seed.
//!
//! [`Disk::install`] makes it the process's default for every SQLite connection. Each [`Node`] is a machine with files of its
//! own under `/sim/<name>/`; nodes share nothing, so worlds may run in threads side by side. Real SQLite runs on top, in WAL
//! mode with as many connections as one likes: locks and shared memory work as on a real disk, but nothing ever waits in here.
//! (A connection with a busy timeout does sleep, really, in SQLite itself, when it meets a lock.)
//!
//! No clock and no chance but the seeds handed in. SQLite itself draws random numbers for the salts of a write-ahead log (and so
//! for its checksums) and for the nonce of a rollback journal; all other bytes are the same in every run.
//!
//! - `content`: bytes in chunks that copies share.
//! - `file`: a file, and what of it is not synced.
//! - `tree`: files by name, deletions, copies.
//! - `locks`: between the open handles of a file.
//! - `faults`: what is set to go wrong, and when.
//! - `state`: what each storage call does.
//! - `damage`: what a power cut leaves.
//! - `node`: the handle a test has in its hands.
//! - `vfs`: the same for SQLite.

mod content;
mod damage;
mod faults;
mod file;
mod locks;
mod node;
mod state;
mod tree;
mod vfs;

pub use damage::DamageRates;
pub use faults::{Call, Fault, Fired};
pub use node::{Flip, Node};
pub use tree::Files;

use sqlite_plugin::vfs::{RegisterOpts, register_static};
use state::State;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// Where the simulated files are.
const ROOT: &str = "/sim/";

/// All simulated machines of this process.
pub struct Disk {
    nodes: Arc<Nodes>,
}

impl Disk {
    /// The disk of this process. The first call makes it SQLite's default; connections that are open already keep theirs.
    pub fn install() -> &'static Self {
        static DISK: OnceLock<Disk> = OnceLock::new();
        DISK.get_or_init(|| {
            let nodes = Arc::new(Nodes::default());
            let vfs = vfs::DiskVfs::new(Arc::clone(&nodes));
            let opts = RegisterOpts { make_default: true };
            register_static(c"simulated".to_owned(), vfs, opts)
                .expect("BUG: SQLite takes no file system");
            Self { nodes }
        })
    }

    /// The machine of that name, a new and empty one if there is none. The name is one component of a path.
    pub fn node(&self, name: &str) -> Node {
        assert!(
            !name.is_empty() && !name.contains('/'),
            "BUG: {name:?} is no name of a node"
        );
        let mut by_name = self.nodes.lock();
        let machine = by_name.entry(name.to_owned()).or_default();
        Node::new(name, Arc::clone(machine), Arc::clone(&self.nodes))
    }
}

/// One machine. What its handles hold, so that no call goes through the table of all machines.
#[derive(Default)]
struct Machine {
    state: Mutex<State>,
}

impl Machine {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("BUG: a panic in the simulated disk")
    }
}

#[derive(Default)]
struct Nodes {
    by_name: Mutex<BTreeMap<String, Arc<Machine>>>,
}

impl Nodes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Machine>>> {
        self.by_name
            .lock()
            .expect("BUG: a panic in the simulated disk")
    }

    /// The machine and the file that a path names. Machines are not made on the way: a removed one stays away.
    fn find<'p>(&self, path: &'p str) -> Option<(Arc<Machine>, &'p str)> {
        let (node, file) = path.strip_prefix(ROOT)?.split_once('/')?;
        let machine = self.lock().get(node).map(Arc::clone)?;
        (!file.is_empty()).then_some((machine, file))
    }
}
