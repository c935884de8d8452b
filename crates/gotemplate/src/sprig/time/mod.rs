//! Go's times and durations: layouts by example (`2006-01-02`) and the calendar.

mod duration;
mod layout;
mod parse;

pub(super) use duration::{duration_text, parse_duration};

use layout::{Chunk, OffsetEnd, next_chunk};

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
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// Days from 1970 to a date, whose month and day may be out of their bounds.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year
        .saturating_add((month - 1).div_euclid(12))
        .clamp(-200_000_000_000, 200_000_000_000);
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
            seconds: self
                .seconds
                .saturating_add(new.saturating_sub(old).saturating_mul(86_400)),
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
            usize::try_from(index)
                .ok()
                .and_then(|index| names.get(index))
                .copied()
                .unwrap_or_default()
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
            Chunk::Zone if self.zone.is_empty() => self.offset_text(false, OffsetEnd::Minutes),
            Chunk::Zone => self.zone.clone(),
            Chunk::Offset { is_iso: true, .. } if self.offset == 0 => "Z".to_owned(),
            Chunk::Offset { colon, end, .. } => self.offset_text(colon, end),
            Chunk::Fraction {
                digits,
                trimmed,
                separator,
            } => {
                let mut fraction = format!("{:09}", self.nanosecond);
                fraction.truncate(digits.min(9));
                if trimmed {
                    fraction.truncate(fraction.trim_end_matches('0').len());
                }
                if fraction.is_empty() {
                    fraction
                } else {
                    format!("{separator}{fraction}")
                }
            }
        };
        text.push_str(&formatted);
    }

    fn offset_text(&self, colon: bool, end: OffsetEnd) -> String {
        let sign = if self.offset < 0 { '-' } else { '+' };
        let offset = self.offset.abs();
        let separator = if colon { ":" } else { "" };
        let (hours, minutes, seconds) = (offset / 3600, offset / 60 % 60, offset % 60);
        match end {
            OffsetEnd::Hours => format!("{sign}{hours:02}"),
            OffsetEnd::Minutes => format!("{sign}{hours:02}{separator}{minutes:02}"),
            OffsetEnd::Seconds => {
                format!("{sign}{hours:02}{separator}{minutes:02}{separator}{seconds:02}")
            }
        }
    }

    /// `time.ParseInLocation(layout, text, time.UTC)`
    pub(super) fn parse(layout: &str, text: &str) -> Result<Self, String> {
        parse::parse(layout, text)
    }
}
