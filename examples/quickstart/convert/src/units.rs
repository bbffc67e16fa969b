//! The units, and the arithmetic: `base = amount * factor + offset`.

#[derive(Clone, Copy, PartialEq)]
enum Quantity {
    Length,
    Mass,
    Temperature,
}

pub struct Unit {
    name: &'static str,
    quantity: Quantity,
    factor: f64,
    offset: f64,
}

const fn unit(name: &'static str, quantity: Quantity, factor: f64) -> Unit {
    Unit { name, quantity, factor, offset: 0.0 }
}

/// In metres, kilograms and kelvins.
const UNITS: &[Unit] = &[
    unit("mm", Quantity::Length, 0.001),
    unit("m", Quantity::Length, 1.0),
    unit("km", Quantity::Length, 1000.0),
    unit("in", Quantity::Length, 0.0254),
    unit("ft", Quantity::Length, 0.3048),
    unit("mi", Quantity::Length, 1609.344),
    unit("g", Quantity::Mass, 0.001),
    unit("kg", Quantity::Mass, 1.0),
    unit("lb", Quantity::Mass, 0.45359237),
    unit("K", Quantity::Temperature, 1.0),
    Unit { name: "C", quantity: Quantity::Temperature, factor: 1.0, offset: 273.15 },
    Unit { name: "F", quantity: Quantity::Temperature, factor: 5.0 / 9.0, offset: 459.67 * 5.0 / 9.0 },
];

pub fn names() -> Vec<&'static str> {
    UNITS.iter().map(|unit| unit.name).collect()
}

pub fn find(name: &str) -> Option<&'static Unit> {
    UNITS.iter().find(|unit| unit.name == name)
}

impl Unit {
    /// The amount in another unit of the same quantity, to ten digits: what is beyond is rounding, not measure.
    pub fn convert(&self, amount: f64, to: &Unit) -> Option<f64> {
        let converted = (amount * self.factor + self.offset - to.offset) / to.factor;
        let rounded = format!("{converted:.9e}").parse().ok()?;
        (self.quantity == to.quantity).then_some(rounded)
    }
}

#[test]
fn units_convert_there_and_back() {
    for (amount, from, to, expected) in
        [(1.0, "mi", "km", 1.609344), (0.0, "C", "K", 273.15), (-40.0, "F", "C", -40.0), (1.0, "lb", "g", 453.59237)]
    {
        let (from, to) = (find(from).unwrap(), find(to).unwrap());
        assert_eq!((from.convert(amount, to), to.convert(expected, from)), (Some(expected), Some(amount)));
    }
    assert!(find("m").unwrap().convert(1.0, find("kg").unwrap()).is_none());
}
