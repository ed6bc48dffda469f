//! Prints the worked conflicts of the merge page: `cargo run -p tests --example worked_conflicts`.

fn main() {
    for worked in tests::worked_conflicts::all() {
        println!("# {}\n{}", worked.name, worked.text);
    }
}
