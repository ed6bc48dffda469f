//! One exchange: what the model said of an arrival against the engine's answer and the rows it left.

use sync_core::wire::SyncResponse;
use tests::oracle::Prediction;
use tests::oracle::arrival::{Answered, Ruled, Status};
use tests::oracle::log::{Row, RulingRow, plain_answer};
use tests::oracle::plain::{Answer, Place};

/// What the model said of an arrival, and what the engine did.
pub struct Exchange {
    /// What the model said.
    pub prediction: Prediction,
    /// What the engine answered.
    pub response: SyncResponse,
    /// The rows that it left.
    pub rows: Vec<Row>,
    /// How many changes were sent.
    pub sent: usize,
}

impl Exchange {
    /// What of the engine's answer, and of the rows it left, is not as a prediction says.
    pub fn differences(&self, prediction: &Prediction) -> Vec<String> {
        let response = &self.response;
        let mut told = Vec::new();
        let mut differs = |what: &str, model: String, engine: String| {
            if model != engine {
                told.push(format!(
                    "{what}: the model says {model}, the engine {engine}"
                ));
            }
        };
        let status = match response.status as u8 {
            1 => Status::Fork,
            3 => Status::Revoked,
            _ => Status::Ok,
        };
        let said = (prediction.status, prediction.mark, prediction.duplicates);
        let done = (status, response.mark.0, response.duplicates);
        differs(
            "status, mark, duplicates",
            format!("{said:?}"),
            format!("{done:?}"),
        );
        for answered in &prediction.answers {
            let said = (answered.place, answered.time_ms, answered.answer.clone());
            differs(
                &format!("answer to {}", answered.seq),
                format!("{:?}", Some(said)),
                format!("{:?}", self.receipt_of(answered.seq)),
            );
        }
        // Under an earlier epoch only what was known is answered; whole receipts may reach beyond the batch.
        let first = prediction.answers.first().map_or(0, |first| first.seq);
        let answered = response.receipts.last().map_or(0, |last| {
            self.sent
                .min((last.to.0 + 1).saturating_sub(first) as usize)
        });
        differs(
            "answers",
            prediction.answers.len().to_string(),
            answered.to_string(),
        );
        let first_row = self.rows.first().map_or(u64::MAX, Row::pos);
        let new: Vec<&Answered> = prediction
            .answers
            .iter()
            .filter(|answered| answered.place.1 >= first_row)
            .collect();
        let rows: Vec<Answered> = self.rows.iter().filter_map(answered_in).collect();
        differs("new changes", format!("{new:?}"), format!("{rows:?}"));
        told.extend(compare_rulings(&prediction.rulings, &self.rows));
        told
    }

    /// What the receipts say of a change: its place, its time, its answer.
    fn receipt_of(&self, seq: u64) -> Option<(Place, i64, Answer)> {
        let receipt = self
            .response
            .receipts
            .iter()
            .find(|receipt| (receipt.from.0..=receipt.to.0).contains(&seq))?;
        let index = (seq - receipt.from.0) as usize;
        let place = (receipt.epoch.0, receipt.first_pos.0 + index as u64);
        let answer = plain_answer(&receipt.answers[index]);
        Some((place, receipt.times_ms[index], answer))
    }
}

fn answered_in(row: &Row) -> Option<Answered> {
    let Row::Change(row) = row else {
        return None;
    };
    Some(Answered {
        seq: row.change.seq,
        place: row.place,
        first: row.first,
        time_ms: row.time_ms,
        answer: row.answer.clone(),
    })
}

/// Whether the rulings among rows are those expected.
pub fn compare_rulings(expected: &[Ruled], rows: &[Row]) -> Vec<String> {
    let engine: Vec<Ruled> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Ruling(RulingRow {
                place,
                ruling,
                of,
                answer,
            }) => Some(Ruled {
                place: *place,
                ruling: ruling.clone(),
                of: *of,
                answer: answer.clone(),
            }),
            _ => None,
        })
        .collect();
    if engine == expected {
        return Vec::new();
    }
    vec![format!(
        "rulings: the model says {expected:#?}, the engine {engine:#?}"
    )]
}
