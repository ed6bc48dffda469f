//! The whole run: each benchmark beside its floor, with the targets, as one table.

use std::path::Path;

use serde::Serialize;

use super::floor_client::FloorIngest;
use super::floor_merge::FloorMerge;
use super::floor_serve::{FloorApply, FloorServe};
use super::load::{LoadFigures, measure_server};
use super::merge_work::MergeWork;
use super::record_ids::IdOrder;
use super::reference_work::size_of_work;
use super::snapshot_work::SnapshotWork;
use super::table::{BenchResult, Table, Target};
use super::timing::{LocalFigures, Paired, measure_local, run_paired};
use super::under_test::{BenchError, IngestWork, LocalUnderTest, ServerUnderTest};

/// How much is measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Plan {
    /// Names the reference work.
    pub seed: u64,
    /// Reports handed in a round.
    pub reports: usize,
    /// Reports an upload.
    pub batch: usize,
    /// Keep-alive connections.
    pub clients: usize,
    /// People whose work it is.
    pub authors: u64,
    /// Records of the first sync.
    pub records: usize,
    /// Reports of the merge; half of them are edited on each side.
    pub merge_reports: usize,
    /// Times that everything is measured; medians are told.
    pub rounds: usize,
}

/// Where the engine stands beside the floors. What is `None` is not measured: the table then tells the floor alone.
#[derive(Default)]
pub struct EngineUnderTest {
    /// `POST /v1/sync` with everything durable, verdicts and receipts included.
    pub ingest: Option<Box<dyn ServerUnderTest<IngestWork>>>,
    /// The merge in memory, every conflict on the same field kept readable.
    pub merge: Option<Box<dyn LocalUnderTest<MergeWork>>>,
    /// The merge into a replica's SQLite.
    pub merge_into_sqlite: Option<Box<dyn LocalUnderTest<MergeWork>>>,
    /// A prepared snapshot, served over HTTP.
    pub serve: Option<Box<dyn ServerUnderTest<SnapshotWork>>>,
    /// A hundred phones that fetch 5,000 records each at the same time.
    pub hundred_phones: Option<Box<dyn ServerUnderTest<SnapshotWork>>>,
    /// A snapshot applied and committed by a replica.
    pub apply: Option<Box<dyn LocalUnderTest<SnapshotWork>>>,
    /// Bytes on the wire.
    pub wire: Option<TellLines>,
    /// Ingest into a log that has grown, memory and disk.
    pub growth: Option<TellLines>,
    /// The desk's lists over 500,000 reports.
    pub lists: Option<TellLines>,
    /// A new version of a document to 2,000 phones.
    pub rollout: Option<TellLines>,
}

/// Measures what has no floor and tells it in lines of its own.
pub type TellLines = Box<dyn Fn(&Plan, &Path) -> Result<Vec<BenchResult>, BenchError>>;

/// One part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Reports handed in.
    Ingest,
    /// Two replicas merged.
    Merge,
    /// First sync, both ends.
    FirstSync,
    /// Bytes on the wire.
    Wire,
    /// Ingest into a log of two million changes: takes minutes.
    Growth,
    /// The desk's lists.
    Lists,
    /// Documents to phones.
    Rollout,
}

/// Runs `parts` in a scratch directory and tells each finished part to `progress`.
pub fn run(
    plan: &Plan,
    parts: &[Part],
    engine: &EngineUnderTest,
    scratch: &Path,
    mut progress: impl FnMut(&str),
) -> Result<Table, BenchError> {
    let mut table = Table::default();
    let size = size_of_work(plan.seed);
    table.push(BenchResult::told("report_json", size.json_bytes, "bytes"));
    table.push(BenchResult::told(
        "report_zstd_in_batches_of_100",
        size.batched_zstd_bytes,
        "bytes",
    ));
    table.push(BenchResult::told(
        "report_zstd_alone",
        size.single_zstd_bytes,
        "bytes",
    ));
    for part in parts {
        match part {
            Part::Ingest => {
                for ids in [IdOrder::Random, IdOrder::TimeOrdered] {
                    progress(&format!("ingest, {ids:?} ids"));
                    ingest(plan, ids, engine, scratch, &mut table)?;
                }
            }
            Part::Merge => {
                progress("merge");
                merge(plan, engine, scratch, &mut table)?;
            }
            Part::FirstSync => {
                progress("first sync");
                first_sync(plan, engine, scratch, &mut table)?;
            }
            Part::Wire => {
                progress("bytes on the wire");
                tell(engine.wire.as_ref(), plan, scratch, &mut table)?;
            }
            Part::Growth => {
                progress("growth");
                tell(engine.growth.as_ref(), plan, scratch, &mut table)?;
            }
            Part::Lists => {
                progress("the desk's lists");
                tell(engine.lists.as_ref(), plan, scratch, &mut table)?;
            }
            Part::Rollout => {
                progress("documents to phones");
                tell(engine.rollout.as_ref(), plan, scratch, &mut table)?;
            }
        }
    }
    Ok(table)
}

fn tell(
    lines: Option<&TellLines>,
    plan: &Plan,
    scratch: &Path,
    table: &mut Table,
) -> Result<(), BenchError> {
    for line in lines.map_or(Ok(Vec::new()), |lines| lines(plan, scratch))? {
        table.push(line);
    }
    Ok(())
}

fn ingest(
    plan: &Plan,
    ids: IdOrder,
    engine: &EngineUnderTest,
    scratch: &Path,
    table: &mut Table,
) -> Result<(), BenchError> {
    let work = IngestWork {
        seed: plan.seed,
        authors: plan.authors,
        reports: plan.reports,
        batch: plan.batch,
        clients: plan.clients,
        ids,
    };
    let subject = engine.ingest.as_deref();
    let paired = run_paired(
        plan.rounds,
        || measure_server(&FloorIngest, &work, scratch),
        subject.map(|subject| || measure_server(subject, &work, scratch)),
    )?;
    let (suffix, target) = match ids {
        IdOrder::Random => ("random_ids", Some(Target::RatioAtLeast(0.5))),
        IdOrder::TimeOrdered => ("time_ordered_ids", None),
    };
    server_lines(
        table,
        "ingest",
        suffix,
        "changes/s",
        "change",
        &paired,
        target,
    );
    Ok(())
}

fn merge(
    plan: &Plan,
    engine: &EngineUnderTest,
    scratch: &Path,
    table: &mut Table,
) -> Result<(), BenchError> {
    let work = MergeWork::new(plan.seed, plan.merge_reports, plan.merge_reports / 2, 2);
    for (floor, name) in [
        (FloorMerge::WholeStates, "merge_against_whole_states"),
        (FloorMerge::Edits, "merge_against_edits"),
        (FloorMerge::EditsFromJson, "merge_against_edits_from_json"),
    ] {
        // The floor that the target speaks of compares whole states; the others say how much of it that comparing costs.
        let judged = floor == FloorMerge::WholeStates;
        let subject = engine.merge.as_deref();
        let paired = run_paired(
            plan.rounds,
            || measure_local(&floor, &work, scratch),
            subject.map(|subject| || measure_local(subject, &work, scratch)),
        )?;
        let target = judged.then_some(Target::RatioAtLeast(0.5));
        table.push(rate_line(name, "field edits/s", &paired, target));
        if judged {
            table.push(beside(
                &format!("{name}_cpu"),
                "us/field edit",
                &paired,
                cpu_us,
                None,
            ));
        }
    }
    if let Some(subject) = engine.merge_into_sqlite.as_deref() {
        let (rate, cpu_us) = rounds(plan.rounds, || measure_local(subject, &work, scratch))?;
        let line = BenchResult::told("merge_into_sqlite", rate, "field edits/s");
        table.push(line.against(Target::AtLeast(60_000.0)));
        table.push(BenchResult::told(
            "merge_into_sqlite_cpu",
            cpu_us,
            "us/field edit",
        ));
    }
    Ok(())
}

fn first_sync(
    plan: &Plan,
    engine: &EngineUnderTest,
    scratch: &Path,
    table: &mut Table,
) -> Result<(), BenchError> {
    let work = SnapshotWork::new(plan.seed, plan.records, 2_000);
    table.push(BenchResult::told(
        "first_sync_floor_wire",
        work.wire_bytes_per_record(),
        "bytes/record",
    ));
    let subject = engine.serve.as_deref();
    let floor = FloorServe {
        clients: plan.clients,
    };
    let paired = run_paired(
        plan.rounds,
        || measure_server(&floor, &work, scratch),
        subject.map(|subject| || measure_server(subject, &work, scratch)),
    )?;
    let target = Some(Target::AtLeast(300_000.0));
    server_lines(
        table,
        "first_sync_served",
        "prepared",
        "records/s",
        "record",
        &paired,
        target,
    );
    if let Some(bytes) = paired.subject(|run| run.down_bytes_per_unit) {
        let line = BenchResult::told("first_sync_wire", bytes, "bytes/record");
        table.push(line.against(Target::AtMost(100.0)));
    }
    if let Some(subject) = engine.hundred_phones.as_deref() {
        let run = measure_server(subject, &work, scratch)?;
        let name = |what: &str| format!("hundred_first_syncs_{what}");
        let line = BenchResult::told(name("p95"), run.clients_p95_s, "s");
        table.push(line.against(Target::AtMost(15.0)));
        if let Some(memory) = run.resident_mb {
            let line = BenchResult::told(name("server_memory"), memory, "MB");
            table.push(line.against(Target::AtMost(300.0)));
        }
    }
    let subject = engine.apply.as_deref();
    let paired = run_paired(
        plan.rounds,
        || measure_local(&FloorApply, &work, scratch),
        subject.map(|subject| || measure_local(subject, &work, scratch)),
    )?;
    let target = Some(Target::AtLeast(60_000.0));
    table.push(rate_line(
        "first_sync_applied",
        "records/s",
        &paired,
        target,
    ));
    let name = "first_sync_applied_cpu";
    table.push(beside(name, "us/record", &paired, cpu_us, None));
    Ok(())
}

/// The subject's rate beside the floor's, or the floor's alone under a name that says so.
fn rate_line(
    name: &str,
    unit: &'static str,
    paired: &Paired<LocalFigures>,
    target: Option<Target>,
) -> BenchResult {
    beside(name, unit, paired, |run| run.per_s, target)
}

fn beside<F>(
    name: &str,
    unit: &'static str,
    paired: &Paired<F>,
    figure: impl Fn(&F) -> f64 + Copy,
    target: Option<Target>,
) -> BenchResult {
    let floor = paired.floor(figure);
    match paired.subject(figure) {
        None => BenchResult::told(format!("floor_{name}"), floor, unit),
        Some(subject) => {
            let line = BenchResult::told(name, subject, unit).beside(floor, paired.ratio(figure));
            match target {
                None => line,
                Some(target) => line.against(target),
            }
        }
    }
}

fn server_lines(
    table: &mut Table,
    name: &str,
    suffix: &str,
    rate_unit: &'static str,
    unit: &str,
    paired: &Paired<LoadFigures>,
    target: Option<Target>,
) {
    let mut push = |what: &str, unit, figure: fn(&LoadFigures) -> f64, target| {
        table.push(beside(
            &format!("{name}_{suffix}{what}"),
            unit,
            paired,
            figure,
            target,
        ));
    };
    let (cpu, bytes) = match unit {
        "change" => ("us/change", "bytes/change"),
        _ => ("us/record", "bytes/record"),
    };
    push("", rate_unit, |run| run.per_s, target);
    push("_p50", "ms", |run| run.p50_ms, None);
    push("_p99", "ms", |run| run.p99_ms, None);
    push(
        "_server_cpu",
        cpu,
        |run| run.server_cpu_us_per_unit.unwrap_or(f64::NAN),
        None,
    );
    push(
        "_generator_cpu",
        cpu,
        |run| run.generator_cpu_us_per_unit.unwrap_or(f64::NAN),
        None,
    );
    push("_disk", bytes, |run| run.disk_bytes_per_unit, None);
    push("_up", bytes, |run| run.up_bytes_per_unit, None);
    push("_down", bytes, |run| run.down_bytes_per_unit, None);
}

/// Medians of the rate and of the CPU's microseconds a unit.
fn rounds(
    count: usize,
    run: impl FnMut() -> Result<LocalFigures, BenchError>,
) -> Result<(f64, f64), BenchError> {
    let none: Option<fn() -> Result<LocalFigures, BenchError>> = None;
    let runs = run_paired(count, run, none)?;
    Ok((runs.floor(|run| run.per_s), runs.floor(cpu_us)))
}

fn cpu_us(run: &LocalFigures) -> f64 {
    run.cpu_us_per_unit.unwrap_or(f64::NAN)
}
