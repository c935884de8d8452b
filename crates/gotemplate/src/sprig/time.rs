//! Go's times and durations: layouts by example (`2006-01-02`) and the calendar.

use crate::quote::quoted;

/// A `time.Time`: an instant, and the offset in which it is shown.
#[derive(Debug, Clone)]
pub(super) struct Time {
    seconds: i64,
    nanosecond: i64,
    /// Seconds east of UTC.
    offset: i64,
    zone: String,
}

/// A time on the calendar and the clock.
pub(super) struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub year_day: i64,
    weekday: i64,
}

const MONTHS: [&str; 12] = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Days from 1970 to a date, whose month and day may be out of their bounds.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year.saturating_add((month - 1).div_euclid(12)).clamp(-200_000_000_000, 200_000_000_000);
    let month = (month - 1).rem_euclid(12) + 1;
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468).saturating_add(day - 1)
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

impl Time {
    /// The first of January of the year 1.
    pub(super) fn zero() -> Self {
        Self {
            seconds: days_from_civil(1, 1, 1) * 86_400,
            nanosecond: 0,
            offset: 0,
            zone: "UTC".to_owned(),
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.instant() == Self::zero().instant()
    }

    pub(super) const fn seconds(&self) -> i64 {
        self.seconds
    }

    pub(super) const fn nanosecond(&self) -> i64 {
        self.nanosecond
    }

    pub(super) const fn instant(&self) -> (i64, i64) {
        (self.seconds, self.nanosecond)
    }

    /// The time since 1970 in parts of a second.
    pub(super) const fn nanoseconds(&self, per_second: i64) -> i64 {
        self.seconds
            .wrapping_mul(per_second)
            .wrapping_add(self.nanosecond / (1_000_000_000 / per_second))
    }

    pub(super) fn utc(&self) -> Self {
        Self {
            offset: 0,
            zone: "UTC".to_owned(),
            ..self.clone()
        }
    }

    pub(super) fn plus(&self, nanoseconds: i64) -> Self {
        let total = i128::from(self.nanosecond) + i128::from(nanoseconds);
        let seconds = i64::try_from(total.div_euclid(1_000_000_000)).unwrap_or_default();
        Self {
            seconds: self.seconds.saturating_add(seconds),
            nanosecond: i64::try_from(total.rem_euclid(1_000_000_000)).unwrap_or_default(),
            ..self.clone()
        }
    }

    pub(super) fn add_date(&self, years: i64, months: i64, days: i64) -> Self {
        let civil = self.civil();
        let old = days_from_civil(civil.year, civil.month, civil.day);
        let new = days_from_civil(
            civil.year.saturating_add(years),
            civil.month.saturating_add(months),
            civil.day.saturating_add(days),
        );
        Self {
            seconds: self.seconds.saturating_add(new.saturating_sub(old).saturating_mul(86_400)),
            ..self.clone()
        }
    }

    pub(super) fn civil(&self) -> Civil {
        let local = self.seconds.saturating_add(self.offset);
        let (days, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        Civil {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            year_day: days - days_from_civil(year, 1, 1) + 1,
            weekday: (days + 4).rem_euclid(7),
        }
    }

    /// As Go prints it.
    pub(super) fn to_text(&self) -> String {
        self.format("2006-01-02 15:04:05.999999999 -0700 MST")
    }

    pub(super) fn format(&self, layout: &str) -> String {
        let civil = self.civil();
        let mut text = String::new();
        let mut rest = layout;
        while let Some((prefix, chunk, suffix)) = next_chunk(rest) {
            text.push_str(prefix);
            self.push_chunk(&mut text, &civil, chunk);
            rest = suffix;
        }
        text + rest
    }

    fn push_chunk(&self, text: &mut String, civil: &Civil, chunk: Chunk) {
        let name = |names: &[&'static str], index: i64| {
            usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or_default()
        };
        let twelve = if civil.hour % 12 == 0 { 12 } else { civil.hour % 12 };
        let month = name(&MONTHS, civil.month - 1);
        let weekday = name(&WEEKDAYS, civil.weekday);
        let formatted = match chunk {
            Chunk::LongMonth => month.to_owned(),
            Chunk::Month => month.chars().take(3).collect(),
            Chunk::NumMonth => civil.month.to_string(),
            Chunk::ZeroMonth => format!("{:02}", civil.month),
            Chunk::LongWeekday => weekday.to_owned(),
            Chunk::Weekday => weekday.chars().take(3).collect(),
            Chunk::Day => civil.day.to_string(),
            Chunk::UnderDay => format!("{:2}", civil.day),
            Chunk::ZeroDay => format!("{:02}", civil.day),
            Chunk::UnderYearDay => format!("{:3}", civil.year_day),
            Chunk::ZeroYearDay => format!("{:03}", civil.year_day),
            Chunk::Hour => format!("{:02}", civil.hour),
            Chunk::Hour12 => twelve.to_string(),
            Chunk::ZeroHour12 => format!("{twelve:02}"),
            Chunk::Minute => civil.minute.to_string(),
            Chunk::ZeroMinute => format!("{:02}", civil.minute),
            Chunk::Second => civil.second.to_string(),
            Chunk::ZeroSecond => format!("{:02}", civil.second),
            Chunk::LongYear if civil.year < 0 => format!("-{:04}", -civil.year),
            Chunk::LongYear => format!("{:04}", civil.year),
            Chunk::Year => format!("{:02}", civil.year.rem_euclid(100)),
            Chunk::UpperPm => if civil.hour >= 12 { "PM" } else { "AM" }.to_owned(),
            Chunk::LowerPm => if civil.hour >= 12 { "pm" } else { "am" }.to_owned(),
            Chunk::Zone if self.zone.is_empty() => self.offset_text(false, false, false),
            Chunk::Zone => self.zone.clone(),
            Chunk::Offset { is_iso: true, .. } if self.offset == 0 => "Z".to_owned(),
            Chunk::Offset { colon, seconds, short, .. } => self.offset_text(colon, seconds, short),
            Chunk::Fraction { digits, trimmed, separator } => {
                let mut fraction = format!("{:09}", self.nanosecond);
                fraction.truncate(digits.min(9));
                if trimmed {
                    fraction.truncate(fraction.trim_end_matches('0').len());
                }
                if fraction.is_empty() { fraction } else { format!("{separator}{fraction}") }
            }
        };
        text.push_str(&formatted);
    }

    fn offset_text(&self, colon: bool, seconds: bool, short: bool) -> String {
        let sign = if self.offset < 0 { '-' } else { '+' };
        let offset = self.offset.abs();
        let separator = if colon { ":" } else { "" };
        let mut text = format!("{sign}{:02}", offset / 3600);
        if !short {
            text.push_str(&format!("{separator}{:02}", offset / 60 % 60));
        }
        if seconds {
            text.push_str(&format!("{separator}{:02}", offset % 60));
        }
        text
    }

    /// `time.ParseInLocation(layout, text, time.UTC)`
    pub(super) fn parse(layout: &str, text: &str) -> Result<Self, String> {
        let mut parser = Parser {
            layout,
            text,
            fields: Fields::default(),
        };
        parser.run()?;
        parser.finish()
    }
}

/// What a piece of a layout stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chunk {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    Zone,
    Offset {
        is_iso: bool,
        colon: bool,
        seconds: bool,
        short: bool,
    },
    Fraction {
        digits: usize,
        trimmed: bool,
        separator: char,
    },
}

const fn offset(is_iso: bool, colon: bool, seconds: bool, short: bool) -> Chunk {
    Chunk::Offset {
        is_iso,
        colon,
        seconds,
        short,
    }
}

/// Pieces of layouts, the longer before those that start alike.
const CHUNKS: &[(&str, Chunk)] = &[
    ("January", Chunk::LongMonth),
    ("Jan", Chunk::Month),
    ("Monday", Chunk::LongWeekday),
    ("Mon", Chunk::Weekday),
    ("MST", Chunk::Zone),
    ("01", Chunk::ZeroMonth),
    ("02", Chunk::ZeroDay),
    ("03", Chunk::ZeroHour12),
    ("04", Chunk::ZeroMinute),
    ("05", Chunk::ZeroSecond),
    ("06", Chunk::Year),
    ("002", Chunk::ZeroYearDay),
    ("15", Chunk::Hour),
    ("1", Chunk::NumMonth),
    ("2006", Chunk::LongYear),
    ("2", Chunk::Day),
    ("_2", Chunk::UnderDay),
    ("__2", Chunk::UnderYearDay),
    ("3", Chunk::Hour12),
    ("4", Chunk::Minute),
    ("5", Chunk::Second),
    ("PM", Chunk::UpperPm),
    ("pm", Chunk::LowerPm),
    ("-070000", offset(false, false, true, false)),
    ("-07:00:00", offset(false, true, true, false)),
    ("-0700", offset(false, false, false, false)),
    ("-07:00", offset(false, true, false, false)),
    ("-07", offset(false, false, false, true)),
    ("Z070000", offset(true, false, true, false)),
    ("Z07:00:00", offset(true, true, true, false)),
    ("Z0700", offset(true, false, false, false)),
    ("Z07:00", offset(true, true, false, false)),
    ("Z07", offset(true, false, false, true)),
];

/// What is before the next piece, the piece, and what is behind it.
fn next_chunk(layout: &str) -> Option<(&str, Chunk, &str)> {
    for (at, _) in layout.char_indices() {
        let (prefix, here) = layout.split_at(at);
        if let Some((chunk, length)) = chunk_at(here) {
            return Some((prefix, chunk, here.get(length..).unwrap_or_default()));
        }
        if here.starts_with("_2006") {
            let (prefix, here) = layout.split_at(at + 1);
            return Some((prefix, Chunk::LongYear, here.get(4..).unwrap_or_default()));
        }
    }
    None
}

fn chunk_at(text: &str) -> Option<(Chunk, usize)> {
    if text.starts_with("_2006") {
        return None;
    }
    if let Some(rest) = text.strip_prefix(['.', ','])
        && let Some(digit) = rest.chars().next().filter(|c| matches!(c, '0' | '9'))
    {
        let digits = rest.len() - rest.trim_start_matches(digit).len();
        let behind = rest.get(digits..).unwrap_or_default();
        if !behind.starts_with(|c: char| c.is_ascii_digit()) {
            let chunk = Chunk::Fraction {
                digits,
                trimmed: digit == '9',
                separator: text.chars().next().unwrap_or('.'),
            };
            return Some((chunk, digits + 1));
        }
    }
    CHUNKS.iter().find_map(|(name, chunk)| {
        let rest = text.strip_prefix(name)?;
        // Jan and Mon are no abbreviations in front of small letters.
        let is_abbreviation = matches!(chunk, Chunk::Month | Chunk::Weekday);
        let in_word = is_abbreviation && rest.starts_with(|c: char| c.is_ascii_lowercase());
        (!in_word).then_some((*chunk, name.len()))
    })
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
                let (am, pm) = if chunk == Chunk::UpperPm { ("AM", "PM") } else { ("am", "pm") };
                let word = text.get(..2).ok_or(Mismatch::Bad)?;
                fields.pm = Some(match word {
                    word if word == pm => true,
                    word if word == am => false,
                    _ => return Err(Mismatch::Bad),
                });
                *text = text.get(2..).unwrap_or_default();
            }
            Chunk::Zone => self.zone(text)?,
            Chunk::Offset { is_iso, colon, seconds, short } => {
                if is_iso && let Some(rest) = text.strip_prefix('Z') {
                    *text = rest;
                    self.fields.is_utc = true;
                } else {
                    self.fields.offset = Some(read_offset(text, colon, seconds, short)?);
                }
            }
            Chunk::Fraction { digits, trimmed, .. } => {
                if !trimmed {
                    self.fields.nanosecond = fraction(text, Some(digits))?;
                } else if text.starts_with(['.', ',']) && text.get(1..2).is_some_and(|c| c.as_bytes()[0].is_ascii_digit()) {
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
        let starts_fraction = matches!(rest.next(), Some('.' | ',')) && rest.next().is_some_and(|c| c.is_ascii_digit());
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
        let local = days_from_civil(fields.year, month, day) * 86_400 + hour * 3600 + fields.minute * 60 + fields.second;
        let offset = fields.offset.filter(|_| !fields.is_utc).unwrap_or_default();
        let zone = match (&fields.zone, fields.offset) {
            _ if fields.is_utc => "UTC".to_owned(),
            (Some(zone), _) => zone.clone(),
            (None, Some(0)) | (None, None) => "UTC".to_owned(),
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
    let has_two = text.as_bytes().iter().take(2).filter(|byte| byte.is_ascii_digit()).count() == 2;
    if is_fixed || has_two { fixed(text, 2) } else { fixed(text, 1) }
}

/// The index of the name that the text starts with; `length` characters of it, or all.
fn named(text: &mut &str, names: &[&str], length: usize) -> Result<i64, Mismatch> {
    for (index, name) in (0..).zip(names) {
        let name = if length == 0 { name } else { name.get(..length).unwrap_or(name) };
        if text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) {
            *text = text.get(name.len()..).unwrap_or_default();
            return Ok(index);
        }
    }
    Err(Mismatch::Bad)
}

fn read_offset(text: &mut &str, colon: bool, seconds: bool, short: bool) -> Result<i64, Mismatch> {
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
    for (is_there, unit) in [(!short, 60), (seconds, 1)] {
        if is_there {
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

/// `time.Duration.String`
pub(super) fn duration_text(nanoseconds: i64) -> String {
    let magnitude = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let decimal = |unit: u64| {
        let fraction = format!("{:0width$}", magnitude % unit, width = unit.ilog10() as usize);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{}{point}{fraction}", magnitude / unit)
    };
    match magnitude {
        0 => "0s".to_owned(),
        1..=999 => format!("{sign}{magnitude}ns"),
        1_000..=999_999 => format!("{sign}{}µs", decimal(1_000)),
        1_000_000..=999_999_999 => format!("{sign}{}ms", decimal(1_000_000)),
        _ => {
            let total = magnitude / 1_000_000_000;
            let fraction = format!("{:09}", magnitude % 1_000_000_000);
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            let seconds = format!("{}{point}{fraction}s", total % 60);
            match (total / 3600, total / 60 % 60) {
                (0, 0) => format!("{sign}{seconds}"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

/// `time.ParseDuration`, in nanoseconds.
pub(super) fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quoted(text));
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0_i128;
    while !rest.is_empty() {
        let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (whole, after) = rest.split_at(digits(rest));
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(digits(after)),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let length = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        let scale: i128 = match unit {
            "" => return Err(format!("time: missing unit in duration {}", quoted(text))),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(format!("time: unknown unit {} in duration {}", quoted(unit), quoted(text))),
        };
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let kept = fraction.get(..fraction.len().min(18)).unwrap_or_default();
        let part: i128 = if kept.is_empty() { 0 } else { kept.parse().map_err(|_| invalid())? };
        let part = part * scale / 10_i128.pow(u32::try_from(kept.len()).unwrap_or_default());
        total = whole
            .checked_mul(scale)
            .and_then(|whole| total.checked_add(whole + part))
            .filter(|total| *total <= 1 << 63)
            .ok_or_else(invalid)?;
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}
