//! Floating point arithmetic on decimal digits (shopspring/decimal).

use num_bigint::{BigInt, Sign};

use super::{Outcome, Table, fail};
use crate::convert::to_float;
use crate::value::{Context, FunctionError, Value};

pub(super) const TABLE: Table<'static> = &[
    ("add1f", "a:f", |c, a| {
        fold(c, a.value(0), &[Value::int(1)], |one, other| Ok(one.add(other)))
    }),
    ("addf", "a*:f", |c, a| {
        fold(c, &Value::int(0), a.all(), |one, other| Ok(one.add(other)))
    }),
    ("subf", "aa*:f", |c, a| {
        fold(c, a.value(0), a.from(1), |one, other| Ok(one.subtract(other)))
    }),
    ("mulf", "aa*:f", |c, a| {
        fold(c, a.value(0), a.from(1), |one, other| Ok(one.multiply(other)))
    }),
    ("divf", "aa*:f", |c, a| {
        fold(c, a.value(0), a.from(1), Decimal::divide)
    }),
];

/// Digits behind the point that a division gives.
const DIVISION_PRECISION: i64 = 16;

type Operation = fn(&Decimal, &Decimal) -> Result<Decimal, FunctionError>;

fn fold(context: &mut Context<'_>, first: &Value, others: &[Value], operation: Operation) -> Outcome {
    let mut result = Decimal::from_float(to_float(first))?;
    for value in others {
        let digits = usize::try_from(result.digits.bits() / 8).unwrap_or(usize::MAX);
        context.step(digits + 1)?;
        context.reserve(digits)?;
        result = operation(&result, &Decimal::from_float(to_float(value))?)?;
    }
    Ok(Value::float(result.to_float()))
}

/// `digits` times ten to the power of `exponent`.
#[derive(Debug, Clone)]
struct Decimal {
    digits: BigInt,
    exponent: i64,
}

fn power_of_ten(exponent: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or_default())
}

impl Decimal {
    /// The shortest decimal that is read as this float.
    fn from_float(number: f64) -> Result<Self, FunctionError> {
        if !number.is_finite() {
            let name = crate::number::format_float(number, 'g', None, crate::number::FloatSize::Bits64);
            return fail(format!("Cannot create a Decimal from {name}"));
        }
        let text = format!("{number:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let exponent: i64 = exponent.parse().unwrap_or_default();
        Ok(Self {
            digits: mantissa.replace('.', "").parse().unwrap_or_default(),
            exponent: exponent - i64::try_from(fraction).unwrap_or_default(),
        })
    }

    fn to_float(&self) -> f64 {
        format!("{}e{}", self.digits, self.exponent)
            .parse()
            .unwrap_or_default()
    }

    fn digits_at(&self, exponent: i64) -> BigInt {
        &self.digits * power_of_ten(self.exponent - exponent)
    }

    fn add(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        Self {
            digits: self.digits_at(exponent) + other.digits_at(exponent),
            exponent,
        }
    }

    fn subtract(&self, other: &Self) -> Self {
        self.add(&Self {
            digits: -&other.digits,
            exponent: other.exponent,
        })
    }

    fn multiply(&self, other: &Self) -> Self {
        Self {
            digits: &self.digits * &other.digits,
            exponent: self.exponent + other.exponent,
        }
    }

    /// The quotient to 16 digits behind the point, half away from zero.
    fn divide(&self, other: &Self) -> Result<Self, FunctionError> {
        if other.digits.sign() == Sign::NoSign {
            return fail("decimal division by 0");
        }
        let shift = self.exponent - other.exponent + DIVISION_PRECISION;
        let (numerator, denominator) = if shift < 0 {
            (self.digits.clone(), &other.digits * power_of_ten(-shift))
        } else {
            (&self.digits * power_of_ten(shift), other.digits.clone())
        };
        let mut quotient = &numerator / &denominator;
        let rest = &numerator % &denominator;
        if rest.magnitude() * 2_u32 >= *denominator.magnitude() {
            let is_negative = (numerator.sign() == Sign::Minus) != (denominator.sign() == Sign::Minus);
            quotient += if is_negative { -1 } else { 1 };
        }
        Ok(Self {
            digits: quotient,
            exponent: -DIVISION_PRECISION,
        })
    }
}
