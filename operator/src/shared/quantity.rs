//! Quantities of Kubernetes, such as `500m`, `1Gi` or `2e3`. The API server normalizes them: it returns `1024Ki` as
//! `1Mi`.

/// The precision of Kubernetes is a billionth; smaller fractions are rounded up.
const DECIMALS: i32 = 9;

/// An amount in billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

impl Quantity {
    /// `None` if the text is not a quantity, or exceeds the largest one of Kubernetes.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, text) = match text.strip_prefix('-') {
            Some(text) => (-1, text),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{fraction}");
        let (factor, exponent) = scale(suffix)?;
        let exponent = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?.checked_add(DECIMALS)?;
        let amount = digits.parse::<i128>().ok()?.checked_mul(factor)?;
        let power = 10_i128.checked_pow(exponent.unsigned_abs());
        let amount = match power {
            Some(power) if exponent >= 0 => amount.checked_mul(power)?,
            Some(power) => amount / power + i128::from(amount % power != 0),
            None if amount == 0 => 0,
            None if exponent < 0 => 1,
            None => return None,
        };
        Some(Self(sign * amount))
    }
}

/// The multiplier of a suffix: a factor, and a power of ten.
fn scale(suffix: &str) -> Option<(i128, i32)> {
    let binary = |power: u32| Some((1_i128 << (10 * power), 0));
    let decimal = |exponent: i32| Some((1, exponent));
    match suffix {
        "" => decimal(0),
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => decimal(suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).unwrap()
    }

    #[test]
    fn one_amount_is_the_same_in_all_its_spellings() {
        for (left, right) in [
            ("1024Ki", "1Mi"),
            ("0.5Gi", "512Mi"),
            (".5Gi", "512Mi"),
            ("1000M", "1G"),
            ("1000m", "1"),
            ("1e3", "1k"),
            ("1E3", "1000"),
            ("1E", "1000P"),
            ("+2.50", "2500m"),
            ("0.1n", "1n"),
            ("0.00000000000000000000000000000000000000000000001", "1n"),
            ("1e-2147483648", "1n"),
            ("0Gi", "0"),
        ] {
            assert_eq!(quantity(left), quantity(right), "{left} {right}");
        }
    }

    #[test]
    fn other_amounts_differ_and_have_an_order() {
        for (less, more) in
            [("1G", "1Gi"), ("500m", "5"), ("-1", "1m"), ("9223372036854775806", "9223372036854775807"), ("1P", "1Pi")]
        {
            assert!(quantity(less) < quantity(more), "{less} {more}");
        }
    }

    #[test]
    fn other_texts_are_no_quantities_and_none_ends_the_program() {
        for text in ["", ".", "Gi", "1 Gi", "1gi", "1Gib", "1.2.3", "--1", "1e", "1e1x", "٣", "1e2147483647"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
        assert_eq!(Quantity::parse(&"9".repeat(60)), None);
    }
}
