//! Merging two replicas in memory: field edits a second.

use divan::Bencher;
use divan::counter::ItemsCount;
use tests::bench::floor_merge::TwoReplicas;
use tests::bench::merge_work::MergeWork;

fn main() {
    divan::main();
}

/// The floor: last writer wins, whole states compared.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn floor_whole_states(bencher: Bencher) {
    let work = MergeWork::reference(1);
    let replicas = TwoReplicas::new(&work);
    bencher
        .with_inputs(|| replicas.clone())
        .counter(ItemsCount::new(work.field_edits()))
        .bench_local_refs(TwoReplicas::merge_whole_states);
}

/// The floor: last writer wins, only edits handed over.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn floor_edits(bencher: Bencher) {
    let work = MergeWork::reference(1);
    let replicas = TwoReplicas::new(&work);
    bencher
        .with_inputs(|| replicas.clone())
        .counter(ItemsCount::new(work.field_edits()))
        .bench_local_refs(|replicas| replicas.merge_edits(&work));
}
