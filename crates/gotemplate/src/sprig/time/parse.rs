//! Reading times.

use super::layout::{Chunk, OffsetEnd, next_chunk};
use super::{MONTHS, Time, WEEKDAYS, civil_from_days, days_from_civil};
use crate::quote::quoted;

/// `time.ParseInLocation(layout, text, time.UTC)`
pub(super) fn parse(layout: &str, text: &str) -> Result<Time, String> {
    let mut parser = Parser {
        layout,
        text,
        fields: Fields::default(),
    };
    parser.run()?;
    parser.finish()
}

#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    pm: Option<bool>,
    offset: Option<i64>,
    zone: Option<String>,
    is_utc: bool,
}

struct Parser<'t> {
    layout: &'t str,
    text: &'t str,
    fields: Fields,
}

/// A value that does not fit its piece.
enum Mismatch {
    Bad,
    OutOfRange(&'static str),
}

impl<'t> Parser<'t> {
    fn refuse<T>(&self, layout_element: &str, value_element: &str) -> Result<T, String> {
        Err(format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quoted(self.text),
            quoted(self.layout),
            quoted(value_element),
            quoted(layout_element)
        ))
    }

    fn refuse_with<T>(&self, message: &str) -> Result<T, String> {
        Err(format!("parsing time {}{message}", quoted(self.text)))
    }

    fn run(&mut self) -> Result<(), String> {
        let (mut layout, mut text) = (self.layout, self.text);
        loop {
            let (prefix, chunk, suffix) = match next_chunk(layout) {
                Some((prefix, chunk, suffix)) => (prefix, Some(chunk), suffix),
                None => (layout, None, ""),
            };
            let element = layout
                .get(prefix.len()..layout.len() - suffix.len())
                .unwrap_or_default();
            let Some(rest) = skip(text, prefix) else {
                return self.refuse(prefix, text);
            };
            text = rest;
            let Some(chunk) = chunk else {
                if !text.is_empty() {
                    return self.refuse_with(&format!(": extra text: {}", quoted(text)));
                }
                return Ok(());
            };
            let before = text;
            match self.chunk(chunk, suffix, &mut text) {
                Ok(()) => {}
                Err(Mismatch::OutOfRange(what)) => {
                    return self.refuse_with(&format!(": {what} out of range"));
                }
                Err(Mismatch::Bad) => return self.refuse(element, before),
            }
            layout = suffix;
        }
    }

    fn chunk(&mut self, chunk: Chunk, suffix: &str, text: &mut &'t str) -> Result<(), Mismatch> {
        let fields = &mut self.fields;
        match chunk {
            Chunk::Year => {
                let year = fixed(text, 2)?;
                fields.year = if year >= 69 { year + 1900 } else { year + 2000 };
            }
            Chunk::LongYear => fields.year = fixed(text, 4)?,
            Chunk::LongMonth => fields.month = Some(named(text, &MONTHS, 0)? + 1),
            Chunk::Month => fields.month = Some(named(text, &MONTHS, 3)? + 1),
            Chunk::NumMonth | Chunk::ZeroMonth => {
                let month = number(text, chunk == Chunk::ZeroMonth)?;
                if !(1..=12).contains(&month) {
                    return Err(Mismatch::OutOfRange("month"));
                }
                fields.month = Some(month);
            }
            Chunk::LongWeekday => drop(named(text, &WEEKDAYS, 0)?),
            Chunk::Weekday => drop(named(text, &WEEKDAYS, 3)?),
            Chunk::Day | Chunk::UnderDay | Chunk::ZeroDay => {
                if chunk == Chunk::UnderDay {
                    *text = text.strip_prefix(' ').unwrap_or(text);
                }
                fields.day = Some(number(text, chunk == Chunk::ZeroDay)?);
            }
            Chunk::UnderYearDay | Chunk::ZeroYearDay => {
                if chunk == Chunk::UnderYearDay {
                    let padding = text.len() - text.trim_start_matches(' ').len();
                    let digits = 3_usize.saturating_sub(padding.min(2));
                    *text = text.get(padding.min(2)..).unwrap_or_default();
                    fields.year_day = Some(fixed(text, digits)?);
                } else {
                    fields.year_day = Some(fixed(text, 3)?);
                }
            }
            Chunk::Hour => {
                fields.hour = number(text, false)?;
                if fields.hour >= 24 {
                    return Err(Mismatch::OutOfRange("hour"));
                }
            }
            Chunk::Hour12 | Chunk::ZeroHour12 => {
                fields.hour = number(text, chunk == Chunk::ZeroHour12)?;
                if fields.hour > 12 {
                    return Err(Mismatch::OutOfRange("hour"));
                }
            }
            Chunk::Minute | Chunk::ZeroMinute => {
                fields.minute = number(text, chunk == Chunk::ZeroMinute)?;
                if fields.minute >= 60 {
                    return Err(Mismatch::OutOfRange("minute"));
                }
            }
            Chunk::Second | Chunk::ZeroSecond => self.second(chunk == Chunk::ZeroSecond, suffix, text)?,
            Chunk::UpperPm | Chunk::LowerPm => {
                let (am, pm) = if chunk == Chunk::UpperPm {
                    ("AM", "PM")
                } else {
                    ("am", "pm")
                };
                let word = text.get(..2).ok_or(Mismatch::Bad)?;
                fields.pm = Some(match word {
                    word if word == pm => true,
                    word if word == am => false,
                    _ => return Err(Mismatch::Bad),
                });
                *text = text.get(2..).unwrap_or_default();
            }
            Chunk::Zone => self.zone(text)?,
            Chunk::Offset { is_iso, colon, end } => {
                if is_iso && let Some(rest) = text.strip_prefix('Z') {
                    *text = rest;
                    self.fields.is_utc = true;
                } else {
                    self.fields.offset = Some(read_offset(text, colon, end)?);
                }
            }
            Chunk::Fraction { digits, trimmed, .. } => {
                if !trimmed {
                    self.fields.nanosecond = fraction(text, Some(digits))?;
                } else if text.starts_with(['.', ','])
                    && text.get(1..2).is_some_and(|c| c.as_bytes()[0].is_ascii_digit())
                {
                    self.fields.nanosecond = fraction(text, None)?;
                }
            }
        }
        Ok(())
    }

    fn second(&mut self, is_fixed: bool, suffix: &str, text: &mut &'t str) -> Result<(), Mismatch> {
        self.fields.second = number(text, is_fixed)?;
        if self.fields.second >= 60 {
            return Err(Mismatch::OutOfRange("second"));
        }
        // A fraction may follow though the layout has none.
        let mut rest = text.chars();
        let starts_fraction =
            matches!(rest.next(), Some('.' | ',')) && rest.next().is_some_and(|c| c.is_ascii_digit());
        let is_next = next_chunk(suffix)
            .is_some_and(|(prefix, chunk, _)| prefix.is_empty() && matches!(chunk, Chunk::Fraction { .. }));
        if starts_fraction && !is_next {
            self.fields.nanosecond = fraction(text, None)?;
        }
        Ok(())
    }

    fn zone(&mut self, text: &mut &'t str) -> Result<(), Mismatch> {
        if let Some(rest) = text.strip_prefix("UTC") {
            *text = rest;
            self.fields.is_utc = true;
            return Ok(());
        }
        let capitals = text.len() - text.trim_start_matches(|c: char| c.is_ascii_uppercase()).len();
        if !(3..=5).contains(&capitals) {
            return Err(Mismatch::Bad);
        }
        let (name, rest) = text.split_at(capitals);
        self.fields.zone = Some(name.to_owned());
        *text = rest;
        Ok(())
    }

    fn finish(self) -> Result<Time, String> {
        let fields = &self.fields;
        let mut hour = fields.hour;
        match fields.pm {
            Some(true) if hour < 12 => hour += 12,
            Some(false) if hour == 12 => hour = 0,
            _ => {}
        }
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let (mut month, mut day) = (fields.month, fields.day);
        if let Some(year_day) = fields.year_day {
            if !(1..=365 + i64::from(leap(fields.year))).contains(&year_day) {
                return self.refuse_with(": day-of-year out of range");
            }
            let days = days_from_civil(fields.year, 1, 1) + year_day - 1;
            let (_, own_month, own_day) = civil_from_days(days);
            if month.is_some_and(|month| month != own_month) {
                return self.refuse_with(": day-of-year does not match month");
            }
            if day.is_some_and(|day| day != own_day) {
                return self.refuse_with(": day-of-year does not match day");
            }
            (month, day) = (Some(own_month), Some(own_day));
        }
        let (month, day) = (month.unwrap_or(1), day.unwrap_or(1));
        let length = days_from_civil(fields.year, month + 1, 1) - days_from_civil(fields.year, month, 1);
        if !(1..=length).contains(&day) {
            return self.refuse_with(": day out of range");
        }
        let local = days_from_civil(fields.year, month, day) * 86_400
            + hour * 3600
            + fields.minute * 60
            + fields.second;
        let offset = fields.offset.filter(|_| !fields.is_utc).unwrap_or_default();
        let zone = match (&fields.zone, fields.offset) {
            _ if fields.is_utc => "UTC".to_owned(),
            (Some(zone), _) => zone.clone(),
            (None, Some(0) | None) => "UTC".to_owned(),
            (None, Some(_)) => String::new(),
        };
        Ok(Time {
            seconds: local - offset,
            nanosecond: fields.nanosecond,
            offset,
            zone,
        })
    }
}

/// The text behind a literal piece of the layout; spaces stand for any number of spaces.
fn skip<'t>(mut text: &'t str, mut prefix: &str) -> Option<&'t str> {
    while let Some(c) = prefix.chars().next() {
        if c == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return None;
            }
            prefix = prefix.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
            continue;
        }
        text = text.strip_prefix(c)?;
        prefix = prefix.get(c.len_utf8()..).unwrap_or_default();
    }
    Some(text)
}

fn fixed(text: &mut &str, digits: usize) -> Result<i64, Mismatch> {
    let number = text.get(..digits).ok_or(Mismatch::Bad)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Mismatch::Bad);
    }
    *text = text.get(digits..).unwrap_or_default();
    number.parse().map_err(|_| Mismatch::Bad)
}

/// One or two digits; exactly two when `is_fixed`.
fn number(text: &mut &str, is_fixed: bool) -> Result<i64, Mismatch> {
    let has_two = text
        .as_bytes()
        .iter()
        .take(2)
        .filter(|byte| byte.is_ascii_digit())
        .count()
        == 2;
    if is_fixed || has_two {
        fixed(text, 2)
    } else {
        fixed(text, 1)
    }
}

/// The index of the name that the text starts with; `length` characters of it, or all.
fn named(text: &mut &str, names: &[&str], length: usize) -> Result<i64, Mismatch> {
    for (index, name) in (0..).zip(names) {
        let name = if length == 0 {
            name
        } else {
            name.get(..length).unwrap_or(name)
        };
        if text
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
        {
            *text = text.get(name.len()..).unwrap_or_default();
            return Ok(index);
        }
    }
    Err(Mismatch::Bad)
}

fn read_offset(text: &mut &str, colon: bool, end: OffsetEnd) -> Result<i64, Mismatch> {
    let mut rest = *text;
    let sign = match rest.chars().next() {
        Some('+') => 1,
        Some('-') => -1,
        _ => return Err(Mismatch::Bad),
    };
    rest = rest.get(1..).unwrap_or_default();
    let mut offset = fixed(&mut rest, 2)? * 3600;
    if offset > 24 * 3600 {
        return Err(Mismatch::OutOfRange("time zone offset hour"));
    }
    for (part, unit) in [(OffsetEnd::Minutes, 60), (OffsetEnd::Seconds, 1)] {
        if part <= end {
            if colon {
                rest = rest.strip_prefix(':').ok_or(Mismatch::Bad)?;
            }
            offset += fixed(&mut rest, 2)? * unit;
        }
    }
    *text = rest;
    Ok(sign * offset)
}

/// A point and digits, as nanoseconds; so many digits, or all that are there.
fn fraction(text: &mut &str, digits: Option<usize>) -> Result<i64, Mismatch> {
    let rest = text.strip_prefix(['.', ',']).ok_or(Mismatch::Bad)?;
    let found = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let length = digits.unwrap_or(found);
    if found < length || length == 0 {
        return Err(Mismatch::Bad);
    }
    let (number, rest) = rest.split_at(length);
    *text = rest;
    let padded: String = number.chars().chain("000000000".chars()).take(9).collect();
    padded.parse().map_err(|_| Mismatch::Bad)
}
