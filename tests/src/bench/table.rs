//! Results of a benchmark run: one aligned table for people, one JSON object for machines.

use std::fmt;

use serde::Serialize;

/// What a figure must reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The figure over its floor, at least.
    RatioAtLeast(f64),
    /// The figure itself, at least.
    AtLeast(f64),
    /// The figure itself, at most.
    AtMost(f64),
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BenchResult {
    /// What was measured, in `snake_case`, the same from run to run.
    pub name: String,
    /// The figure of the subject, or of the floor where the line tells a floor alone.
    pub figure: f64,
    /// Its unit.
    pub unit: &'static str,
    /// The floor in the same unit, measured in the same run.
    pub floor: Option<f64>,
    /// Figure over floor; where runs were paired, the median over the pairs.
    pub ratio: Option<f64>,
    /// What must be reached, where something must.
    pub target: Option<Target>,
    /// Whether it was reached; `None` without a target.
    pub met: Option<bool>,
}

impl BenchResult {
    /// A figure without floor and target: it is told, not judged.
    pub fn told(name: impl Into<String>, figure: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            figure,
            unit,
            floor: None,
            ratio: None,
            target: None,
            met: None,
        }
    }

    /// Puts the figure beside its floor. `ratio` is that of the pairs; without one, figure over floor.
    #[must_use]
    pub fn beside(mut self, floor: f64, ratio: Option<f64>) -> Self {
        self.floor = Some(floor);
        self.ratio = ratio.or_else(|| (floor > 0.0).then(|| self.figure / floor));
        self.judge()
    }

    /// Says what must be reached.
    #[must_use]
    pub fn against(mut self, target: Target) -> Self {
        self.target = Some(target);
        self.judge()
    }

    fn judge(mut self) -> Self {
        self.met = match self.target {
            None => None,
            // A ratio that was not measured has not been reached.
            Some(Target::RatioAtLeast(least)) => {
                Some(self.ratio.is_some_and(|ratio| ratio >= least))
            }
            Some(Target::AtLeast(least)) => Some(self.figure >= least),
            Some(Target::AtMost(most)) => Some(self.figure <= most),
        };
        self
    }
}

/// All lines of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Table {
    /// In order of measuring.
    pub results: Vec<BenchResult>,
}

impl Table {
    /// Adds a line.
    pub fn push(&mut self, result: BenchResult) {
        self.results.push(result);
    }

    /// Whether no target was missed.
    pub fn all_met(&self) -> bool {
        self.results.iter().all(|result| result.met != Some(false))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "measured", "figure", "unit", "floor", "ratio", "target", "met",
        ]
        .map(str::to_owned);
        let mut rows = vec![head];
        rows.extend(self.results.iter().map(cells));
        let mut widths = [0; 7];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                // Words to the left, numbers to the right.
                let padded = match column {
                    0 | 2 | 6 => format!("{cell:<width$}"),
                    _ => format!("{cell:>width$}"),
                };
                line.push_str(&padded);
                line.push_str("  ");
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn cells(result: &BenchResult) -> [String; 7] {
    let optional = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    [
        result.name.clone(),
        number(result.figure),
        result.unit.to_owned(),
        optional(result.floor),
        result
            .ratio
            .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
        match result.target {
            None => "-".to_owned(),
            Some(Target::RatioAtLeast(least)) => format!(">= {least:.2} x floor"),
            Some(Target::AtLeast(least)) => format!(">= {}", number(least)),
            Some(Target::AtMost(most)) => format!("<= {}", number(most)),
        },
        match result.met {
            None => "-".to_owned(),
            Some(true) => "yes".to_owned(),
            Some(false) => "NO".to_owned(),
        },
    ]
}

/// A number with as many digits as it deserves, thousands parted.
fn number(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    if value.abs() < 10.0 {
        return format!("{value:.2}");
    }
    if value.abs() < 1_000.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_judged_at_their_edge() {
        let figure = |target| {
            BenchResult::told("x", 50.0, "1/s")
                .beside(100.0, None)
                .against(target)
        };
        assert_eq!(figure(Target::RatioAtLeast(0.5)).met, Some(true));
        assert_eq!(figure(Target::RatioAtLeast(0.51)).met, Some(false));
        assert_eq!(figure(Target::AtLeast(50.0)).met, Some(true));
        assert_eq!(figure(Target::AtMost(49.9)).met, Some(false));
        let alone = BenchResult::told("x", 50.0, "1/s").against(Target::RatioAtLeast(0.5));
        assert_eq!(
            alone.met,
            Some(false),
            "a floor that was not measured is not reached"
        );
    }

    #[test]
    fn the_table_is_aligned_and_tells_what_was_missed() {
        let mut table = Table::default();
        table.push(BenchResult::told("short", 1_234_567.0, "changes/s"));
        assert!(table.all_met());
        table.push(BenchResult::told("a_longer_name", 3.456, "ms").against(Target::AtMost(3.0)));
        assert!(!table.all_met());
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1],
            "short          1,234,567  changes/s      -      -        -  -"
        );
        assert_eq!(
            lines[2],
            "a_longer_name       3.46  ms             -      -  <= 3.00  NO"
        );
    }
}
