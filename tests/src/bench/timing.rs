//! Latencies, timed local runs, and pairs of runs: a subject beside its floor in turn, so that a noisy machine hits both alike.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

pub use server::fleet::latencies::Latencies;

use super::cpu::thread_cpu_s;
use super::under_test::{BenchError, LocalUnderTest};

/// The rate of a run in this process.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LocalFigures {
    /// Units of work done.
    pub units: u64,
    /// Wall time.
    pub seconds: f64,
    /// Units a second.
    pub per_s: f64,
    /// Microseconds of CPU a unit, of the thread that ran.
    pub cpu_us_per_unit: Option<f64>,
}

/// Prepares `subject` in a fresh directory under `scratch`, times its one run, and has it prove the outcome.
pub fn measure_local<W>(
    subject: &dyn LocalUnderTest<W>,
    work: &W,
    scratch: &Path,
) -> Result<LocalFigures, BenchError> {
    let data = tempfile::tempdir_in(scratch)?;
    let mut prepared = subject.prepare(work, data.path())?;
    let cpu_before = thread_cpu_s();
    let began = Instant::now();
    let units = prepared.run()?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu_s = thread_cpu_s()
        .zip(cpu_before)
        .map(|(after, before)| after - before);
    prepared.verify()?;
    if units == 0 {
        return Err(BenchError::WrongAnswer(
            "no unit of work was done".to_owned(),
        ));
    }
    Ok(LocalFigures {
        units,
        seconds,
        per_s: units as f64 / seconds,
        cpu_us_per_unit: cpu_s.map(|cpu_s| cpu_s * 1e6 / units as f64),
    })
}

/// A floor and, where there is one, a subject, run in turn.
#[derive(Clone, Debug)]
pub struct Paired<F> {
    /// The floor's runs.
    pub floor: Vec<F>,
    /// The subject's runs, one for each of the floor's; empty without a subject.
    pub subject: Vec<F>,
}

/// Runs both `rounds` times; who goes first alternates, so that neither always finds the warmer machine.
pub fn run_paired<F>(
    rounds: usize,
    mut floor: impl FnMut() -> Result<F, BenchError>,
    mut subject: Option<impl FnMut() -> Result<F, BenchError>>,
) -> Result<Paired<F>, BenchError> {
    let mut paired = Paired {
        floor: Vec::new(),
        subject: Vec::new(),
    };
    for round in 0..rounds.max(1) {
        let floor_first = round % 2 == 0;
        if floor_first {
            paired.floor.push(floor()?);
        }
        if let Some(subject) = subject.as_mut() {
            paired.subject.push(subject()?);
        }
        if !floor_first {
            paired.floor.push(floor()?);
        }
    }
    Ok(paired)
}

impl<F> Paired<F> {
    /// The floor's median of a figure.
    pub fn floor(&self, figure: impl Fn(&F) -> f64) -> f64 {
        median(self.floor.iter().map(figure).collect()).unwrap_or(f64::NAN)
    }

    /// The subject's median of a figure.
    pub fn subject(&self, figure: impl Fn(&F) -> f64) -> Option<f64> {
        median(self.subject.iter().map(figure).collect())
    }

    /// The median of subject / floor over the rounds, each pair measured in the same minute.
    pub fn ratio(&self, figure: impl Fn(&F) -> f64) -> Option<f64> {
        let pairs = self.subject.iter().zip(&self.floor);
        median(
            pairs
                .map(|(subject, floor)| figure(subject) / figure(floor))
                .collect(),
        )
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values.get(middle).copied()
    } else {
        Some((values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_pairs_and_medians_of_both_parities() {
        let mut floors = [10.0, 100.0, 20.0].into_iter();
        let mut subjects = [5.0, 80.0, 10.0].into_iter();
        let paired = run_paired(
            3,
            || Ok(floors.next().expect("a floor")),
            Some(|| Ok(subjects.next().expect("a subject"))),
        )
        .expect("three rounds");
        assert_eq!(paired.ratio(|figure| *figure), Some(0.5));
        assert_eq!(paired.floor(|figure| *figure), 20.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }
}
