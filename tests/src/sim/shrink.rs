//! Makes a failing plan small: fewer events (delta debugging, Zeller and Hildebrandt 2002), then simpler ones, as long as
//! the same promise stays broken.

use super::plan::{Event, Fate, Plan};
use std::time::{Duration, Instant};

/// What a violation is about, without the numbers in it, so that a smaller plan may break the same promise elsewhere.
pub fn kind_of(violation: &str) -> String {
    let text = violation
        .split_once(": ")
        .map_or(violation, |(_, text)| text);
    text.split(|each: char| !each.is_ascii_alphabetic())
        .filter(|word| word.len() > 2 && word.chars().all(|each| each.is_ascii_lowercase()))
        .take(5)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The smallest plan found in the time given. `fails` says whether a plan still breaks the same promise.
pub fn shrink(plan: &Plan, limit: Duration, fails: &mut dyn FnMut(&Plan) -> bool) -> Plan {
    let until = Instant::now() + limit;
    let mut best = plan.clone();
    loop {
        let before = best.clone();
        best = fewer_events(best, until, fails);
        best = simpler_events(best, until, fails);
        if best == before || Instant::now() >= until {
            return best;
        }
    }
}

/// Takes away pieces, large ones first.
fn fewer_events(mut best: Plan, until: Instant, fails: &mut dyn FnMut(&Plan) -> bool) -> Plan {
    let mut size = best.events.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        while start < best.events.len() {
            if Instant::now() >= until {
                return best;
            }
            let mut shorter = best.clone();
            let end = (start + size).min(shorter.events.len());
            shorter.events.drain(start..end);
            if fails(&shorter) {
                best = shorter;
            } else {
                start += size;
            }
        }
        size /= 2;
    }
    best
}

/// Replaces what an event does with something plainer.
fn simpler_events(mut best: Plan, until: Instant, fails: &mut dyn FnMut(&Plan) -> bool) -> Plan {
    for index in 0..best.events.len() {
        for simpler in simpler(&best.events[index]) {
            if Instant::now() >= until {
                return best;
            }
            let mut plainer = best.clone();
            plainer.events[index] = simpler;
            if fails(&plainer) {
                best = plainer;
                break;
            }
        }
    }
    best
}

fn simpler(event: &Event) -> Vec<Event> {
    match *event {
        Event::Sync { phone, fate } if fate != Fate::Carried => vec![
            Event::Sync {
                phone,
                fate: Fate::Carried,
            },
            Event::Sync {
                phone,
                fate: Fate::AnswerLost,
            },
        ],
        Event::Together { phone, .. } => vec![Event::Sync {
            phone,
            fate: Fate::Carried,
        }],
        Event::Pass { ms } if ms > 1_000 => vec![Event::Pass { ms: 1_000 }],
        Event::Work { phone, work, pick } if pick > 0 => vec![Event::Work {
            phone,
            work,
            pick: 0,
        }],
        Event::PhoneDisk {
            phone,
            fault,
            call,
            damage,
        } if call > 1 => vec![
            Event::PhoneDisk {
                phone,
                fault,
                call: 1,
                damage,
            },
            Event::PhoneDisk {
                phone,
                fault,
                call: call / 2,
                damage,
            },
        ],
        Event::ServerDisk {
            fault,
            call,
            damage,
        } if call > 1 => vec![
            Event::ServerDisk {
                fault,
                call: 1,
                damage,
            },
            Event::ServerDisk {
                fault,
                call: call / 2,
                damage,
            },
        ],
        Event::PhoneClock { phone, off_s } if off_s != 0 => vec![Event::PhoneClock {
            phone,
            off_s: off_s / 10,
        }],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::generate::{Size, generate};

    #[test]
    fn what_does_not_matter_goes() {
        let plan = generate(3, &Size::default());
        let restarts = |plan: &Plan| {
            let restarts = plan
                .events
                .iter()
                .filter(|event| matches!(event, Event::Together { .. }));
            restarts.count()
        };
        assert!(restarts(&plan) > 2);
        let small = shrink(&plan, Duration::from_secs(5), &mut |plan| {
            restarts(plan) >= 2
        });
        assert_eq!(small.events.len(), 2);
    }

    #[test]
    fn a_violation_is_known_by_its_words() {
        assert_eq!(
            kind_of("event 17: phone 3 had made 5 changes, and 4 are there after None"),
            kind_of("event 2: phone 1 had made 9 changes, and 2 are there after Kill")
        );
    }
}
