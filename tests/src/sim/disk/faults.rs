//! Faults that are set to strike at a storage call, and what a call meets.

/// A kind of storage call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Reads bytes. The only one that is not a writing call.
    Read,
    /// Writes bytes.
    Write,
    /// Cuts or lengthens a file.
    Truncate,
    /// Makes a file durable.
    Sync,
    /// Opens a file that was not there.
    Create,
    /// Deletes a file.
    Delete,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The node dies at that writing call: this call and all later ones fail and change nothing.
    Crash,
    /// The disk is full: calls that would make a file grow are refused, so many of them, or until [`super::Node::heal`].
    Full {
        /// How many calls are refused.
        calls: Option<u32>,
    },
    /// Calls of that kind fail. A failed sync also drops a part of what was pending: reads still see it, a power cut takes it,
    /// and no later sync brings it back, as with real kernels.
    IoError {
        /// Which calls.
        on: Call,
        /// Only the first of them, or all until [`super::Node::heal`].
        once: bool,
    },
    /// One write ends in the middle, with an error.
    ShortWrite,
}

/// A fault that struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// Which one.
    pub fault: Fault,
    /// The first call it struck.
    pub on: Call,
    /// The file of that call.
    pub file: String,
    /// The number of that call among the node's writing calls; for a read, of the writing call before it.
    pub call: u64,
}

/// What a call meets.
pub enum Effect {
    /// Nothing.
    None,
    /// The end of the node.
    Die,
    /// A full disk.
    Full,
    /// An error; the seed says what a failed sync drops.
    Error {
        /// For this call alone.
        seed: u64,
    },
    /// It is done half, and fails; the seed says how much is done.
    Short {
        /// For this call alone.
        seed: u64,
    },
}

struct Armed {
    fault: Fault,
    strikes_at: u64,
    seed: u64,
    struck: bool,
    /// How many calls it may strike yet; `None`: no end.
    strikes_left: Option<u32>,
}

impl Armed {
    fn concerns(&self, call: Call, grows: bool) -> bool {
        match self.fault {
            Fault::Crash => call != Call::Read,
            Fault::Full { .. } => grows,
            Fault::IoError { on, .. } => on == call,
            Fault::ShortWrite => call == Call::Write,
        }
    }
}

/// The faults of one node.
#[derive(Default)]
pub struct Faults {
    armed: Vec<Armed>,
    fired: Option<Fired>,
}

impl Faults {
    /// Sets a fault to strike the first call that it concerns from the writing call of that number on.
    pub fn arm(&mut self, fault: Fault, strikes_at: u64, seed: u64) {
        let strikes_left = match fault {
            Fault::Full { calls } => calls,
            Fault::IoError { once: false, .. } => None,
            Fault::Crash | Fault::IoError { .. } | Fault::ShortWrite => Some(1),
        };
        self.armed.push(Armed {
            fault,
            strikes_at,
            seed,
            struck: false,
            strikes_left,
        });
    }

    /// Takes away those that have not struck yet.
    pub fn disarm(&mut self) {
        self.armed.retain(|armed| armed.struck);
    }

    /// Takes away those that have struck.
    pub fn heal(&mut self) {
        self.armed.retain(|armed| !armed.struck);
    }

    /// Takes away all of them; what fired last stays on record.
    pub fn clear(&mut self) {
        self.armed.clear();
    }

    /// The latest fault that struck for the first time.
    pub fn fired(&self) -> Option<&Fired> {
        self.fired.as_ref()
    }

    /// Takes it off the record.
    pub fn forget_fired(&mut self) {
        self.fired = None;
    }

    /// Whether no call can meet anything.
    pub fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    /// What a call meets. `writing_call` is its number, for a read that of the writing call that comes next.
    pub fn meet(&mut self, writing_call: u64, call: Call, grows: bool, file: &str) -> Effect {
        let due = |armed: &Armed| {
            let left = armed.strikes_left != Some(0);
            left && writing_call >= armed.strikes_at && armed.concerns(call, grows)
        };
        let Some(armed) = self.armed.iter_mut().find(|armed| due(armed)) else {
            return Effect::None;
        };
        armed.strikes_left = armed.strikes_left.map(|left| left - 1);
        if !armed.struck {
            armed.struck = true;
            self.fired = Some(Fired {
                fault: armed.fault,
                on: call,
                file: file.to_owned(),
                call: writing_call - u64::from(call == Call::Read),
            });
        }
        // Each call gets a seed of its own, and the same one in every run.
        let seed = armed.seed ^ writing_call.rotate_left(32);
        match armed.fault {
            Fault::Crash => Effect::Die,
            Fault::Full { .. } => Effect::Full,
            Fault::IoError { .. } => Effect::Error { seed },
            Fault::ShortWrite => Effect::Short { seed },
        }
    }
}
