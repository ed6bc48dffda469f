//! What befalls a run and when: drawn from the seed before it begins.

use std::time::Duration;

use server::demo::Dice;

use super::link::Cut;

/// Something that befalls a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A device's link is cut.
    Cut {
        /// Which device.
        device: usize,
        /// Which way.
        cut: Cut,
    },
    /// A device's link is whole again.
    Heal {
        /// Which device.
        device: usize,
    },
    /// A device is killed.
    KillDevice {
        /// Which.
        device: usize,
    },
    /// A killed device is started again, with a clock that may lie.
    StartDevice {
        /// Which.
        device: usize,
        /// How far its clock is off.
        clock_offset_ms: i64,
    },
    /// A device is killed, and both it and a copy of its files are started: a cloned phone, or one put back.
    CloneDevice {
        /// Which.
        device: usize,
    },
    /// A device is stopped.
    PauseDevice {
        /// Which.
        device: usize,
    },
    /// A stopped device goes on.
    ResumeDevice {
        /// Which.
        device: usize,
    },
    /// The server is killed.
    KillServer,
    /// A killed server is started again.
    StartServer,
    /// The server is stopped.
    PauseServer,
    /// A stopped server goes on.
    ResumeServer,
    /// The server's disk is filled.
    FillDisk,
    /// The server's disk has room again.
    FreeDisk,
}

/// An event and when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timed {
    /// After the start of the run.
    pub at: Duration,
    /// What.
    pub event: Event,
}

/// A clock as people's phones have them: right, minutes or days off, or years.
pub fn clock_offset_ms(dice: &mut Dice) -> i64 {
    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;
    match dice.below(8) {
        0 => dice.around_zero(90 * MINUTE),
        1 => dice.around_zero(40 * DAY),
        2 => 365 * DAY,
        // Before 1970, whatever year it is.
        3 => -60 * 365 * DAY,
        _ => 0,
    }
}

/// Draws the events of a run that lasts so long, in order of time.
pub fn draw(seed: u64, replicas: usize, lasts: Duration, fills_disk: bool) -> Vec<Timed> {
    let mut dice = Dice::new(seed);
    let lasts_ms = lasts.as_millis() as u64;
    let mut plan = Vec::new();
    let mut add = |from_ms: u64, for_ms: u64, begin: Event, end: Event| {
        let at = Duration::from_millis;
        plan.push(Timed {
            at: at(from_ms),
            event: begin,
        });
        plan.push(Timed {
            at: at((from_ms + for_ms).min(lasts_ms)),
            event: end,
        });
    };
    for device in 0..replicas {
        let mut from_ms = dice.below(6_000);
        while from_ms < lasts_ms {
            let for_ms = dice.below(10_000);
            let cut = *dice.pick(&[Cut::In, Cut::Out, Cut::Both]);
            add(
                from_ms,
                for_ms,
                Event::Cut { device, cut },
                Event::Heal { device },
            );
            from_ms += for_ms + 1_000 + dice.below(8_000);
        }
        let mut from_ms = 500 + dice.below(8_000);
        while from_ms < lasts_ms {
            let for_ms = dice.below(2_500);
            let (begin, end) = if dice.below(3) > 0 {
                let clock_offset_ms = clock_offset_ms(&mut dice);
                let start = Event::StartDevice {
                    device,
                    clock_offset_ms,
                };
                (Event::KillDevice { device }, start)
            } else {
                (
                    Event::PauseDevice { device },
                    Event::ResumeDevice { device },
                )
            };
            add(from_ms, for_ms, begin, end);
            from_ms += for_ms + 2_000 + dice.below(8_000);
        }
    }
    let mut from_ms = 1_000 + dice.below(4_000);
    while from_ms < lasts_ms {
        let for_ms = dice.below(2_000);
        let (begin, end) = match dice.below(3) {
            0 => (Event::PauseServer, Event::ResumeServer),
            1 if fills_disk => (Event::FillDisk, Event::FreeDisk),
            _ => (Event::KillServer, Event::StartServer),
        };
        add(from_ms, for_ms, begin, end);
        from_ms += for_ms + 1_500 + dice.below(6_000);
    }
    if dice.below(2) == 0 {
        let at = Duration::from_millis(lasts_ms / 4 + dice.below(lasts_ms / 2));
        let device = dice.below(replicas as u64) as usize;
        let event = Event::CloneDevice { device };
        plan.push(Timed { at, event });
    }
    plan.sort_by_key(|timed| timed.at);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_follows_from_its_seed_and_ends_whole() {
        let lasts = Duration::from_secs(30);
        let plan = draw(7, 5, lasts, true);
        assert_eq!(plan, draw(7, 5, lasts, true));
        assert_ne!(plan, draw(8, 5, lasts, true));
        assert!(plan.iter().all(|timed| timed.at <= lasts));
        let count =
            |wanted: fn(&Event) -> bool| plan.iter().filter(|timed| wanted(&timed.event)).count();
        assert!(count(|event| matches!(event, Event::KillDevice { .. })) > 0);
        assert_eq!(
            count(|event| matches!(event, Event::Cut { .. })),
            count(|event| matches!(event, Event::Heal { .. }))
        );
        assert_eq!(
            count(|event| *event == Event::KillServer),
            count(|event| *event == Event::StartServer)
        );
    }
}
