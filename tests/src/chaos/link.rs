//! One device's link: which way it is cut, and what it does to a request. The proxy carries out what this decides.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use server::demo::Dice;
use tokio::sync::watch;

/// Which way a partition cuts, seen from the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// Everything passes.
    #[default]
    Open,
    /// Nothing comes in to the device.
    In,
    /// Nothing goes out of the device.
    Out,
    /// Nothing passes.
    Both,
}

impl Cut {
    /// Whether requests stop.
    pub fn stops_up(self) -> bool {
        matches!(self, Self::Out | Self::Both)
    }

    /// Whether answers stop.
    pub fn stops_down(self) -> bool {
        matches!(self, Self::In | Self::Both)
    }
}

/// What happens to one exchange. Offsets count bytes of that exchange in that direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Carried,
    /// The request waits for so long.
    Delayed {
        /// Milliseconds.
        ms: u64,
    },
    /// The request never arrives and nobody says so.
    RequestLost,
    /// The request arrives, the answer does not.
    ReplyLost,
    /// The connection breaks after so many bytes of the request.
    ResetUp {
        /// Bytes.
        at: u64,
    },
    /// The connection breaks after so many bytes of the answer.
    ResetDown {
        /// Bytes.
        at: u64,
    },
    /// The answer ends early, as if it were whole.
    Truncated {
        /// Bytes.
        at: u64,
    },
    /// A byte of the request arrives as another.
    CorruptUp {
        /// Which.
        at: u64,
    },
    /// A byte of the answer arrives as another.
    CorruptDown {
        /// Which.
        at: u64,
    },
    /// The request arrives once more, later, on a connection of its own.
    Duplicated {
        /// Milliseconds.
        after_ms: u64,
    },
    /// Something between answers with a page of its own.
    CaptivePortal,
    /// A thin link both ways.
    Slow {
        /// Bytes a second.
        bytes_per_s: u64,
    },
}

impl Fate {
    /// Its name in the summary.
    pub fn name(self) -> &'static str {
        match self {
            Self::Carried => "carried",
            Self::Delayed { .. } => "delayed",
            Self::RequestLost => "request_lost",
            Self::ReplyLost => "reply_lost",
            Self::ResetUp { .. } => "reset_up",
            Self::ResetDown { .. } => "reset_down",
            Self::Truncated { .. } => "truncated",
            Self::CorruptUp { .. } => "corrupt_up",
            Self::CorruptDown { .. } => "corrupt_down",
            Self::Duplicated { .. } => "duplicated",
            Self::CaptivePortal => "captive_portal",
            Self::Slow { .. } => "slow",
        }
    }

    /// One of them; half of the exchanges are carried.
    pub fn draw(dice: &mut Dice) -> Self {
        // Heads are some 200 bytes, bodies from there to a few thousand: all parts are hit.
        let at = match dice.below(3) {
            0 => dice.below(64),
            1 => dice.below(600),
            _ => dice.below(4_000),
        };
        match dice.below(24) {
            0 => Self::RequestLost,
            1 => Self::ReplyLost,
            2 => Self::ResetUp { at },
            3 => Self::ResetDown { at },
            4 => Self::Truncated { at },
            5 => Self::CorruptUp { at },
            6 => Self::CorruptDown { at },
            7 => Self::Duplicated {
                after_ms: dice.below(1_500),
            },
            8 => Self::CaptivePortal,
            9 => Self::Slow {
                bytes_per_s: 500 + dice.below(8_000),
            },
            10 | 11 => Self::Delayed {
                ms: dice.below(1_200),
            },
            _ => Self::Carried,
        }
    }
}

impl Fate {
    /// One that breaks the connection at some byte, for half of the exchanges; nothing arrives as something else.
    pub fn draw_break(dice: &mut Dice) -> Self {
        // Heads are some 700 bytes with a token, bodies tens of thousands.
        let at = match dice.below(3) {
            0 => dice.below(1_000),
            _ => dice.below(45_000),
        };
        match dice.below(8) {
            0 | 1 => Self::ResetUp { at },
            2 => Self::ResetDown { at: at % 600 },
            3 => Self::ReplyLost,
            _ => Self::Carried,
        }
    }
}

/// A link's state, shared by the proxy and whoever plans its troubles.
#[derive(Debug)]
pub struct Link {
    cut: watch::Sender<Cut>,
    target: Mutex<Option<SocketAddr>>,
    troubles: Mutex<Troubles>,
}

#[derive(Debug)]
struct Troubles {
    is_faulty: bool,
    /// What every exchange gets, instead of what the dice say.
    always: Option<Fate>,
    draw: fn(&mut Dice) -> Fate,
    dice: Dice,
    counts: BTreeMap<&'static str, u64>,
}

impl Link {
    /// A faulty link whose troubles follow from a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            cut: watch::Sender::new(Cut::Open),
            target: Mutex::new(None),
            troubles: Mutex::new(Troubles {
                is_faulty: true,
                always: None,
                draw: Fate::draw,
                dice: Dice::new(seed),
                counts: BTreeMap::new(),
            }),
        }
    }

    /// A link that breaks at bytes that follow from a seed, and does nothing else.
    pub fn breaking(seed: u64) -> Self {
        let link = Self::new(seed);
        link.troubles().draw = Fate::draw_break;
        link
    }

    fn troubles(&self) -> std::sync::MutexGuard<'_, Troubles> {
        self.troubles
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Where the server is now; nowhere while it is down.
    pub fn set_target(&self, target: Option<SocketAddr>) {
        *self
            .target
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = target;
    }

    /// Where the server is now.
    pub fn target(&self) -> Option<SocketAddr> {
        *self
            .target
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Cuts the link, or opens it.
    pub fn cut(&self, cut: Cut) {
        self.cut.send_replace(cut);
    }

    /// Tells of cuts as they come and go.
    pub fn watch(&self) -> watch::Receiver<Cut> {
        self.cut.subscribe()
    }

    /// Whether exchanges get anything but being carried.
    pub fn set_faulty(&self, is_faulty: bool) {
        self.troubles().is_faulty = is_faulty;
    }

    /// What the next exchange gets.
    pub fn next_fate(&self) -> Fate {
        let mut troubles = self.troubles();
        if !troubles.is_faulty {
            return Fate::Carried;
        }
        match troubles.always {
            Some(fate) => fate,
            None => (troubles.draw)(&mut troubles.dice),
        }
    }

    /// Gives every exchange this fate, while the link is faulty.
    pub fn set_fate(&self, fate: Fate) {
        self.troubles().always = Some(fate);
    }

    /// Counts what really happened: an offset may lie behind the end.
    pub fn count(&self, fate: Fate) {
        *self.troubles().counts.entry(fate.name()).or_default() += 1;
    }

    /// What happened so far, by kind.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.troubles().counts.clone()
    }
}
