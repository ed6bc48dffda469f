//! Sealed parts: what a person or a place is told of must be JSON, what only a later version knows is kept as it is.

use super::scene::header;
use crate::change::{FramedChange, Hash, Part, PartClass, commitment};
use crate::decide::prepare;
use crate::ids::Seq;
use crate::kinds::KnownIntents;
use crate::verdict::{Problem, ProblemCode};

#[test]
fn a_sealed_part_of_a_known_class_is_json_and_one_of_a_later_class_is_kept() {
    let header = header("report.amend", 1).encode();
    for (class, bytes, fits) in [
        (PartClass::PERSON, &br#"{"name":"x"}"#[..], true),
        (PartClass::PERSON, b"x", false),
        (PartClass::WHEREABOUTS, br#"{"track":[]}"#, true),
        (PartClass::WHEREABOUTS, b"[]", false),
        (PartClass(77), br#"{"later":1}"#, true),
        (PartClass(77), b"x", true),
    ] {
        let part = |class, salt, bytes| Part { class, salt, bytes };
        let framed = FramedChange {
            header: &header,
            parts: vec![
                part(PartClass::OPEN, None, &br#"{"title":"a"}"#[..]),
                part(class, Some([5; 16]), bytes),
            ],
        };
        let prepared = prepare(&framed, Seq(30), Hash::ZERO, KnownIntents::ALL);
        let unreadable = Problem::field(ProblemCode::Unreadable, format!("part.{}", class.0));
        let expected = if fits { vec![] } else { vec![unreadable] };
        assert_eq!(prepared.problems, expected, "{class:?}");
        assert_eq!(prepared.sealed.len(), 1, "the open part is no sealed one");
        let sealed = &prepared.sealed[0];
        assert_eq!(
            (sealed.class, sealed.salt, sealed.bytes.as_slice()),
            (class, [5; 16], bytes)
        );
        assert_eq!(sealed.commitment, commitment(class, Some(&[5; 16]), bytes));
        assert_eq!(prepared.open.as_deref(), Some(&br#"{"title":"a"}"#[..]));
    }
}
