//! Points in time.

/// Reads what go-yaml takes for a point in time and gives it as Go writes it in JSON.
pub(crate) fn timestamp(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes.get(4) != Some(&b'-') || !bytes.iter().take(4).all(u8::is_ascii_digit) {
        return None;
    }
    let mut rest = Cursor(text.get(5..)?);
    let year: u32 = text.get(..4)?.parse().ok()?;
    let month = rest.one_or_two(1, 12)?;
    rest.expect('-')?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let day = rest.one_or_two(1, days)?;
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest.0.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let separator = rest.0.chars().next()?;
    if !matches!(separator, 'T' | 't' | ' ') {
        return None;
    }
    rest.expect(separator)?;
    let hour = rest.one_or_two(0, 23)?;
    rest.expect(':')?;
    let minute = rest.one_or_two(0, 59)?;
    rest.expect(':')?;
    let second = rest.one_or_two(0, 59)?;
    let fraction = rest.fraction()?;
    let zone = if separator == ' ' {
        rest.0.is_empty().then(|| "Z".to_owned())?
    } else {
        rest.zone()?
    };
    Some(format!(
        "{date}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"
    ))
}

/// The rest of a text that is read from the left.
struct Cursor<'t>(&'t str);

impl Cursor<'_> {
    fn expect(&mut self, character: char) -> Option<()> {
        self.0 = self.0.strip_prefix(character)?;
        Some(())
    }

    /// One digit or two, within bounds.
    fn one_or_two(&mut self, least: u32, most: u32) -> Option<u32> {
        let length = self.0.bytes().take(2).take_while(u8::is_ascii_digit).count();
        let value = self.0.get(..length)?.parse().ok()?;
        self.0 = self.0.get(length..)?;
        (least..=most).contains(&value).then_some(value)
    }

    /// A fraction of a second without the zeros at its end.
    fn fraction(&mut self) -> Option<String> {
        let Some(rest) = self.0.strip_prefix(['.', ',']) else {
            return Some(String::new());
        };
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        let digits = rest.get(..length)?;
        if digits.is_empty() {
            return None;
        }
        self.0 = rest.get(length..)?;
        let digits = digits.get(..digits.len().min(9))?.trim_end_matches('0');
        Some(if digits.is_empty() {
            String::new()
        } else {
            format!(".{digits}")
        })
    }

    fn zone(&mut self) -> Option<String> {
        if self.0 == "Z" {
            return Some("Z".to_owned());
        }
        let sign = self.0.chars().next().filter(|sign| matches!(sign, '+' | '-'))?;
        let (hours, minutes) = self.0.get(1..)?.split_once(':')?;
        let fits =
            |text: &str, most: u32| text.len() == 2 && text.parse::<u32>().is_ok_and(|value| value <= most);
        if !fits(hours, 24) || !fits(minutes, 60) {
            return None;
        }
        Some(if hours == "00" && minutes == "00" {
            "Z".to_owned()
        } else {
            format!("{sign}{hours}:{minutes}")
        })
    }
}
