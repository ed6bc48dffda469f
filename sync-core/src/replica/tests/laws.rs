//! The law of the replica: whatever the phones did in whatever order they met the server, what each holds in the end is
//! the fold of all entries, byte for byte, and what each shows in between holds its own work.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    Create(usize, u64),
    Amend(usize, u64, u8),
    Comment(usize, u64),
    Close(usize, u64),
    Meet(usize),
    /// A request is taken by the server and its answer is lost.
    LoseAnswer(usize),
    Backup,
    Restore,
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0..3usize;
    let what = 1..4u64;
    prop_oneof![
        2 => (who.clone(), what.clone()).prop_map(|(who, what)| Act::Create(who, what)),
        4 => (who.clone(), what.clone(), any::<u8>()).prop_map(|(who, what, value)| Act::Amend(who, what, value)),
        2 => (who.clone(), what.clone()).prop_map(|(who, what)| Act::Comment(who, what)),
        1 => (who.clone(), what).prop_map(|(who, what)| Act::Close(who, what)),
        5 => who.clone().prop_map(Act::Meet),
        1 => who.prop_map(Act::LoseAnswer),
        1 => Just(Act::Backup),
        1 => Just(Act::Restore),
    ]
}

fn run(acts: &[Act], restores: bool) -> (FakeServer, Vec<Replica>) {
    let mut server = FakeServer::new();
    server.images_max = 2;
    let mut phones: Vec<Replica> = (1..=3).map(|no| server.phone(no)).collect();
    let mut backup = server.clone();
    for act in acts {
        server.now_ms += 60_000;
        let mut write = |who: usize, what: u64, intent: &str, open: &str| {
            make(&server, &mut phones[who], record_id(what), intent, open);
            let view = phones[who].record_view(record_id(what)).expect("read");
            (intent != "report.transition").then_some(view)
        };
        match act {
            Act::Create(who, what) => {
                let shown = write(*who, *what, "report.create", REPORT);
                assert!(shown.flatten().is_some(), "own work is shown at once");
            }
            Act::Amend(who, what, value) => {
                let open = format!(r#"{{"title":"{value}","floor":"{who}"}}"#);
                let shown = write(*who, *what, "report.amend", &open).flatten();
                let title = shown.and_then(|view| view.state.shown_text("title"));
                assert_eq!(title, Some(value.to_string()), "own work is shown at once");
            }
            Act::Comment(who, what) => {
                write(*who, *what, "report.comment", r#"{"text":"x"}"#);
            }
            Act::Close(who, what) => {
                write(*who, *what, "report.transition", r#"{"to":"CANCELLED"}"#);
            }
            Act::Meet(who) => meet(&mut server, &mut phones[*who]),
            Act::LoseAnswer(who) => {
                let now = evidence(server.now_ms);
                let request = Session::new("test")
                    .next_request(&phones[*who], now)
                    .expect("a request");
                if let Some(request) = request {
                    server.handle(&request.bytes);
                }
            }
            Act::Backup => backup = server.clone(),
            Act::Restore if restores => server.restore(&backup),
            Act::Restore => {}
        }
    }
    for _ in 0..2 {
        for phone in &mut phones {
            meet(&mut server, phone);
        }
    }
    (server, phones)
}

fn assert_law(server: &FakeServer, phones: &[Replica]) {
    for record in (1..4).map(record_id) {
        assert_eq!(
            server.fold_record(record).as_ref(),
            server.records.get(&record)
        );
    }
    for phone in phones {
        assert_converged(server, phone);
        assert_eq!(phone.counts().expect("counts").waiting, 0);
        assert_eq!(phone.counts().expect("counts").stale, 0);
        let unsettled: i64 = phone
            .connection
            .query_row(
                "SELECT count(*) FROM own WHERE settled = 0 AND standing IN (1, 2, 3)",
                [],
                |row| row.get(0),
            )
            .expect("count");
        assert_eq!(unsettled, 0, "the overlay ends with the server's state");
    }
    let made: u64 = phones
        .iter()
        .map(|phone| phone.head().expect("head").0.0)
        .sum();
    assert_eq!(server.log.len() as u64, made, "nothing is lost");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn overlay_and_later_entries_give_the_fold_of_all(acts in proptest::collection::vec(act(), 0..40)) {
        let (server, phones) = run(&acts, false);
        assert_law(&server, &phones);
    }

    #[test]
    fn and_so_do_restored_servers(acts in proptest::collection::vec(act(), 0..40)) {
        let (server, phones) = run(&acts, true);
        assert_law(&server, &phones);
    }
}
