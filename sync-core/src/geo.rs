//! Places on the ground and the distance between them, the same on every machine: nothing but additions and
//! multiplications, whose results IEEE 754 fixes, and a square root, which it fixes as well.

use serde::Deserialize;

/// Metres of one degree of latitude times 10^-7, on a sphere of 6,371,009 m.
const METRES_PER_E7: f64 = 0.011_119_508_023;

/// A place as payloads write it: WGS-84, degrees times 10^7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Place {
    /// Latitude.
    pub latitude_e7: i64,
    /// Longitude.
    pub longitude_e7: i64,
    /// How far it may be off, metres; 0 when nobody knows.
    #[serde(default)]
    pub accuracy_m: i64,
}

impl Place {
    /// The distance to another place, metres, as on a flat map around both: within a district it is right to some
    /// millimetres a kilometre.
    pub fn distance_m(&self, other: &Self) -> f64 {
        let middle = (self.latitude_e7 + other.latitude_e7) as f64 / 2.0;
        let north = (self.latitude_e7 - other.latitude_e7) as f64 * METRES_PER_E7;
        let mut turn = self.longitude_e7 - other.longitude_e7;
        // The shorter way around the earth.
        if turn > 1_800_000_000 {
            turn -= 3_600_000_000;
        } else if turn < -1_800_000_000 {
            turn += 3_600_000_000;
        }
        let east = turn as f64 * METRES_PER_E7 * cosine(middle * 1e-7);
        (north * north + east * east).sqrt()
    }
}

/// The cosine of an angle of -90 to 90 degrees, by its series: good to 10^-7 at the pole and far better where people work.
fn cosine(degrees: f64) -> f64 {
    let square = {
        let radians = degrees * (std::f64::consts::PI / 180.0);
        radians * radians
    };
    let terms = [132.0, 90.0, 56.0, 30.0, 12.0, 2.0];
    terms
        .iter()
        .fold(1.0, |sum, divisor| 1.0 - sum * square / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(latitude: f64, longitude: f64) -> Place {
        Place {
            latitude_e7: (latitude * 1e7).round() as i64,
            longitude_e7: (longitude * 1e7).round() as i64,
            accuracy_m: 0,
        }
    }

    #[test]
    fn distances_are_those_of_the_sphere() {
        for degrees in [-90.0, -60.0, -22.5, 0.0, 22.54, 45.0, 89.0, 90.0] {
            let exact = f64::cos(f64::to_radians(degrees));
            assert!((cosine(degrees) - exact).abs() < 1e-6, "{degrees}");
        }
        // A degree of latitude; the same to the east, at 22.5 degrees; across the line of the date.
        let metres = |one: Place, other: Place| one.distance_m(&other).round();
        assert_eq!(metres(place(22.0, 114.0), place(23.0, 114.0)), 111_195.0);
        assert_eq!(metres(place(22.5, 114.0), place(22.5, 114.01)), 1_027.0);
        assert_eq!(metres(place(0.0, 179.9999), place(0.0, -179.9999)), 22.0);
        assert_eq!(metres(place(22.5, 114.0), place(22.5, 114.0)), 0.0);
    }
}
