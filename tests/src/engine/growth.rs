//! What a grown log costs: the rate of ingest with two million changes against that with twenty thousand, memory, disk.

use std::path::Path;

use server::fleet::cpu::resident_mb;
use server::fleet::district;
use server::fleet::load::{self, LoadPlan};
use server::fleet::own_server::ServeChild;

use crate::bench::load::bytes_under;
use crate::bench::suite::Plan;
use crate::bench::table::{BenchResult, Target};
use crate::bench::under_test::BenchError;

const SMALL: u64 = 20_000;
const LARGE: u64 = 2_000_000;
/// Changes over which a rate is taken.
const WINDOW: u64 = 60_000;
const PHONES: usize = 64;

/// Fills one district and tells the two rates, each over sixty thousand changes.
pub fn measure(
    gridwork: &Path,
    plan: &Plan,
    scratch: &Path,
) -> Result<Vec<BenchResult>, BenchError> {
    let data = tempfile::tempdir_in(scratch)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let stages = [SMALL, WINDOW, LARGE - SMALL - WINDOW, WINDOW];
    let codes = runtime.block_on(district::make(data.path(), PHONES * stages.len()))?;
    let server = ServeChild::start(gridwork, data.path())?;
    let mut rates = Vec::new();
    for (codes, changes) in codes.workers.chunks(PHONES).zip(stages) {
        let load = LoadPlan {
            changes,
            batch: plan.batch,
            concurrency: plan.clients,
            page_bytes_max: 0,
            seed: plan.seed,
        };
        let tally = runtime.block_on(async {
            let workers = load::enrol_all(&server.url, codes, plan.seed).await?;
            Ok::<_, BenchError>(load::run(&server.url, workers, &load).await)
        })?;
        if tally.accepted != changes {
            return Err(BenchError::WrongAnswer(format!(
                "{} of {changes} changes were accepted",
                tally.accepted
            )));
        }
        rates.push(tally.changes as f64 / tally.seconds);
    }
    let memory = resident_mb(Some(server.process()));
    server.stop()?;
    let disk = bytes_under(data.path())? as f64 / stages.iter().sum::<u64>() as f64;
    let mut lines = vec![
        BenchResult::told("ingest_with_2m_changes", rates[3], "changes/s")
            .beside(rates[1], None)
            .against(Target::RatioAtLeast(0.8)),
        BenchResult::told("disk_with_2m_changes", disk, "bytes/change"),
    ];
    if let Some(memory) = memory {
        let line = BenchResult::told("server_memory_with_2m_changes", memory, "MB");
        lines.push(line.against(Target::AtMost(300.0)));
    }
    Ok(lines)
}
