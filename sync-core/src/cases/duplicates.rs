//! Hints that somebody has reported the same already: by category, place and time, while a report is written, on the phone
//! from what it holds and on the server from all.

use crate::geo::Place;

/// How near two reports of one category must be, metres, when both places are exact.
pub const NEAR_M: f64 = 80.0;
/// How long ago the other one may have been made, milliseconds: two weeks.
pub const RECENT_MS: i64 = 14 * 24 * 3_600_000;
/// How many are shown.
pub const HINTS_MAX: usize = 5;

/// What is compared of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting<T> {
    /// Which report.
    pub id: T,
    /// Its category.
    pub category: String,
    /// Where it was seen, if that is known.
    pub place: Option<Place>,
    /// The address, if somebody wrote one.
    pub address: Option<String>,
    /// When it was made.
    pub time_ms: i64,
}

/// A report that may be the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Hint<T> {
    /// Which.
    pub id: T,
    /// How far away, metres; `None` when only the address is the same.
    pub distance_m: Option<u32>,
    /// How long before, milliseconds.
    pub age_ms: i64,
}

/// The open reports that may be the same as a new one, the likeliest first: of its category, not long ago, and near or at
/// the same address. Not decided by it: the reporter or the desk does.
pub fn hints<T: Clone + Ord>(
    new: &Sighting<T>,
    open: impl IntoIterator<Item = Sighting<T>>,
) -> Vec<Hint<T>> {
    let mut found: Vec<Hint<T>> = open
        .into_iter()
        .filter(|other| other.category == new.category && other.id != new.id)
        .filter_map(|other| {
            let age_ms = new.time_ms - other.time_ms;
            if age_ms.abs() > RECENT_MS {
                return None;
            }
            let distance_m = match (&new.place, &other.place) {
                (Some(here), Some(there)) => Some(here.distance_m(there)),
                _ => None,
            };
            let reach = |place: &Option<Place>| {
                place
                    .map_or(0.0, |place| place.accuracy_m as f64)
                    .min(200.0)
            };
            let near_m = NEAR_M.max(reach(&new.place) + reach(&other.place));
            let same_address = match (&new.address, &other.address) {
                (Some(here), Some(there)) => plain(here) == plain(there) && !plain(here).is_empty(),
                _ => false,
            };
            let is_near = distance_m.is_some_and(|distance| distance <= near_m);
            (is_near || same_address && distance_m.is_none()).then(|| Hint {
                id: other.id,
                distance_m: distance_m.map(|distance| distance.round() as u32),
                age_ms,
            })
        })
        .collect();
    found.sort_by(|one, other| {
        let order = |hint: &Hint<T>| (hint.distance_m.unwrap_or(NEAR_M as u32), hint.age_ms.abs());
        order(one)
            .cmp(&order(other))
            .then_with(|| one.id.cmp(&other.id))
    });
    found.truncate(HINTS_MAX);
    found
}

/// An address without what people write in different ways.
fn plain(address: &str) -> String {
    address
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(id: u32, category: &str, east_m: i64, age_hours: i64) -> Sighting<u32> {
        Sighting {
            id,
            category: category.into(),
            place: Some(Place {
                latitude_e7: 0,
                longitude_e7: east_m * 90,
                accuracy_m: 10,
            }),
            address: None,
            time_ms: -age_hours * 3_600_000,
        }
    }

    #[test]
    fn the_nearest_open_report_of_the_category_comes_first_and_others_do_not() {
        let new = sighting(0, "SAN-01", 0, 0);
        let others = [
            sighting(1, "SAN-01", 70, 1),
            sighting(2, "SAN-01", 10, 200),
            sighting(3, "SAN-01", 120, 1),
            sighting(4, "FIR-01", 1, 1),
            sighting(5, "SAN-01", 5, 24 * 15),
        ];
        let found = hints(&new, others);
        let ids: Vec<u32> = found.iter().map(|hint| hint.id).collect();
        assert_eq!(ids, [2, 1]);
        assert_eq!(found[0].distance_m, Some(10));
        assert_eq!(found[0].age_ms, 200 * 3_600_000);
    }

    #[test]
    fn a_poor_place_reaches_farther_and_an_address_stands_in_for_a_place() {
        let mut new = sighting(0, "SAN-01", 0, 0);
        let far = sighting(1, "SAN-01", 150, 1);
        assert!(hints(&new, [far.clone()]).is_empty());
        new.place.as_mut().expect("a place").accuracy_m = 150;
        assert_eq!(hints(&new, [far]).len(), 1);
        new.place = None;
        new.address = Some("人民路 12 号".into());
        let mut same = sighting(2, "SAN-01", 9_000, 1);
        same.address = Some("人民路12号".into());
        let mut other = same.clone();
        (other.id, other.address) = (3, Some("人民路13号".into()));
        let ids: Vec<u32> = hints(&new, [same, other])
            .into_iter()
            .map(|hint| hint.id)
            .collect();
        assert_eq!(ids, [2]);
    }
}
