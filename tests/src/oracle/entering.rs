//! How the model server takes a batch in: its ranges, new changes and such as come back, and the bounds of their time.

use super::admit::{AdmissionOracle, Branch, Kept, Record, awaited, ends_repairs};
use super::arrival::{Arrival, OfferedReceipt, Ruled};
use super::log::{self, ChangeRow};
use super::people::Replica;
use super::plain::{Answer, Change, Place, REOFFERED, REPEAT, ReplicaKey, Verdict};

impl AdmissionOracle {
    /// Keeps what bounds the repeats of a replica that continues another.
    pub(super) fn note_branch(&mut self, replica: ReplicaKey, forked_ms: i64) {
        let number = self.people.replica(replica).and_then(|it| it.continues);
        let continued = number.and_then(|(number, _)| self.people.replica_id(number));
        if let Some(continued) = continued {
            let branch = Branch {
                continued,
                forked_ms,
                mark: self.mark(continued),
                contacts: self.contacts.get(&continued).cloned().unwrap_or_default(),
            };
            self.branches.insert(replica, branch);
        }
    }

    /// The last contact that announced a chain shorter than a change. What a forked branch repeats was made before the
    /// fork, under the contacts of the replica that is continued: as they were then, and none of it in place of what
    /// that one had handed in already. It was there when the new name first spoke, but not when it said that its chain
    /// was shorter.
    pub(super) fn contact_ms(&self, replica: ReplicaKey, change: &Change) -> i64 {
        let own = self.contacts.get(&replica).map_or(&[][..], Vec::as_slice);
        let last_before = |contacts: &[(i64, u64)], seq: u64, after_ms: i64| {
            let shorter = contacts
                .iter()
                .filter(|(at_ms, head)| *head < seq && *at_ms > after_ms);
            shorter.map(|(at_ms, _)| *at_ms).max().unwrap_or(i64::MIN)
        };
        let origin = change.written.as_ref().and_then(|written| written.origin);
        let repeated = self.branches.get(&replica).zip(origin);
        match repeated.filter(|(branch, (of, _))| of.0 == branch.continued) {
            Some((branch, (of, _))) => {
                let seq = of.1.max(branch.mark + 1);
                let before_fork = last_before(&branch.contacts, seq, i64::MIN);
                before_fork.max(last_before(own, change.seq, branch.forked_ms))
            }
            None => last_before(own, change.seq, i64::MIN),
        }
    }

    /// When the entry at a base was received. A base above the log, or one that a restore took away, stands for the
    /// last entry below it.
    pub(super) fn base_ms(&self, base: Place) -> i64 {
        let next_start = self.epochs.iter().find(|(epoch, _)| *epoch > base.0);
        let pos = base
            .1
            .min(self.head)
            .min(next_start.map_or(u64::MAX, |(_, start)| *start));
        self.received_ms.get(&pos).copied().unwrap_or(i64::MIN)
    }

    /// Takes a range in that becomes one receipt: new changes, or such as an old receipt covers; then what follows.
    pub(super) fn take_range(
        &mut self,
        arrival: &Arrival,
        author: &Replica,
        offered: Option<&OfferedReceipt>,
        range: &[&Change],
    ) -> Vec<Ruled> {
        let mut entered = Vec::new();
        for change in range {
            entered.push(match offered {
                Some(receipt) => self.take_back(arrival, author, receipt, change),
                None => self.enter(arrival, author, change),
            });
        }
        self.rule_after(&entered, arrival.received_ms)
    }

    fn row(&self, arrival: &Arrival, author: &Replica, change: &Change) -> ChangeRow {
        ChangeRow {
            place: self.coming_place(),
            first: None,
            replica: author.number,
            person: author.person,
            received_ms: arrival.received_ms,
            time_ms: 0,
            answer: Answer {
                verdict: Verdict::Held,
                marks: 0,
                problems: Vec::new(),
            },
            change: change.clone(),
        }
    }

    /// Takes a new change in and gives its position.
    fn enter(&mut self, arrival: &Arrival, author: &Replica, change: &Change) -> u64 {
        let mut row = self.row(arrival, author, change);
        let contact_ms = self.contact_ms(arrival.replica, change);
        let repaired = self.repaired_by(&row);
        let fixed_time_ms = repaired.map(|of| self.changes[&of].row.time_ms);
        let decided = self.decide(&row, contact_ms, arrival.sent_at, fixed_time_ms, None);
        (row.time_ms, row.answer) = (decided.time_ms, decided.answer);
        self.keep(row, contact_ms, arrival)
    }

    /// Takes a change back in that a restore had lost: nothing is decided again.
    fn take_back(
        &mut self,
        arrival: &Arrival,
        author: &Replica,
        receipt: &OfferedReceipt,
        change: &Change,
    ) -> u64 {
        let mut row = self.row(arrival, author, change);
        let index = change.seq - receipt.range.0;
        let at = usize::try_from(index).expect("BUG: a receipt covers what it covers");
        row.first = Some((receipt.epoch, receipt.first_pos + index));
        row.received_ms = receipt.received_ms;
        row.time_ms = receipt.times_ms[at];
        row.answer = receipt.answers[at].clone();
        row.answer.marks |= REOFFERED;
        // It is in the log under another name, and has its effect there.
        if row.answer.verdict.is_in_force() && self.is_repeat(change, None) {
            row.answer.marks |= REPEAT;
        }
        let contact_ms = self.contact_ms(arrival.replica, change);
        self.keep(row, contact_ms, arrival)
    }

    fn keep(&mut self, row: ChangeRow, contact_ms: i64, arrival: &Arrival) -> u64 {
        let pos = row.place.1;
        let repaired = self.repaired_by(&row).filter(|_| ends_repairs(&row.answer));
        self.next_place(row.received_ms);
        self.chains.entry(arrival.replica).or_default().push(pos);
        if let Some(written) = &row.change.written {
            if let Some((_, hash)) = written.origin
                && row.answer.marks & REPEAT == 0
            {
                self.repeated.entry(hash).or_insert(pos);
            }
            let unit = written.unit;
            self.records
                .entry(written.record)
                .or_insert_with(|| Record {
                    first_named_unit: unit,
                    ..Record::default()
                });
            if let Some(need) = awaited(written, &row.answer) {
                self.waiting.insert(pos, need);
            }
        }
        if let Some(entry) = log::entry(&row, row.place, row.first, &row.answer) {
            self.add(entry);
        }
        if let Some(of) = repaired.filter(|of| !self.repaired.contains(of)) {
            self.repaired.push(of);
        }
        let kept = Kept {
            standing: row.answer.clone(),
            row,
            contact_ms,
            sent_at: arrival.sent_at,
            has_ended: false,
        };
        self.changes.insert(pos, kept);
        pos
    }
}

/// The ranges of new changes that become receipts of their own: what one old receipt covers whole, and the rest.
pub(super) fn ranges<'a, 'b>(
    receipts: &'a [OfferedReceipt],
    new: &'b [&'b Change],
) -> Vec<(Option<&'a OfferedReceipt>, &'b [&'b Change])> {
    let offered = |index: usize| {
        let change = new[index];
        receipts.iter().find(|receipt| {
            let (from, to) = receipt.range;
            let last = new[index..].iter().find(|last| last.seq == to);
            (from..=to).contains(&change.seq)
                && last.is_some_and(|last| last.hash == receipt.chain_hash)
        })
    };
    let mut ranges = Vec::new();
    let mut begin = 0;
    while begin < new.len() {
        let receipt = offered(begin);
        let mut end = begin + 1;
        while end < new.len()
            && match receipt {
                Some(receipt) => new[end].seq <= receipt.range.1,
                None => offered(end).is_none(),
            }
        {
            end += 1;
        }
        ranges.push((receipt, &new[begin..end]));
        begin = end;
    }
    ranges
}
