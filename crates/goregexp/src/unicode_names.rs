//! The names that `\p{…}` takes in Go 1.26: general categories, their long names, and scripts.

/// How the `regex` crate writes the class `\p{name}`, or `\P{name}` when `negated`; `None` when Go does not know it.
///
/// Case, spaces, hyphens and underscores in `name` do not matter.
///
/// # Deviation
/// None: as in Go 1.26, scripts whose names have several words (`Old_Italic`) are unknown.
pub(super) fn item(name: &str, negated: bool) -> Option<String> {
    let name = canonical(name);
    let letter = if negated { 'P' } else { 'p' };
    let known = |names: &str| names.split(' ').any(|known| known == name);
    match name.as_str() {
        "Any" => Some(format!(r"\{letter}{{Any}}")),
        "Ascii" => Some(format!(r"\{letter}{{ASCII}}")),
        "Assigned" => Some(format!(r"\{letter}{{Assigned}}")),
        // No text has a surrogate.
        "Cs" | "Surrogate" if negated => Some(r"\p{Any}".to_owned()),
        "Cs" | "Surrogate" => Some(r"\P{Any}".to_owned()),
        _ if known(CATEGORIES) => Some(format!(r"\{letter}{{gc={name}}}")),
        _ if known(SCRIPTS) => Some(format!(r"\{letter}{{sc={name}}}")),
        _ => None,
    }
}

/// The spelling in the tables below: a capital, then small letters, nothing between words.
fn canonical(name: &str) -> String {
    let mut canonical: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if let Some(first) = canonical.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    canonical
}

/// General categories, short and long.
const CATEGORIES: &str = "\
    C Casedletter Cc Cf Closepunctuation Cn Cntrl Co Combiningmark Connectorpunctuation Control \
    Currencysymbol Dashpunctuation Decimalnumber Digit Enclosingmark Finalpunctuation Format \
    Initialpunctuation L Lc Letter Letternumber Lineseparator Ll Lm Lo Lowercaseletter Lt Lu M Mark \
    Mathsymbol Mc Me Mn Modifierletter Modifiersymbol N Nd Nl No Nonspacingmark Number Openpunctuation \
    Other Otherletter Othernumber Otherpunctuation Othersymbol P Paragraphseparator Pc Pd Pe Pf Pi Po \
    Privateuse Ps Punct Punctuation S Sc Separator Sk Sm So Spaceseparator Spacingmark Symbol \
    Titlecaseletter Unassigned Uppercaseletter Z Zl Zp Zs";

/// Scripts.
const SCRIPTS: &str = "\
    Adlam Ahom Arabic Armenian Avestan Balinese Bamum Batak Bengali Bhaiksuki Bopomofo Brahmi Braille \
    Buginese Buhid Carian Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cyrillic \
    Deseret Devanagari Dogra Duployan Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek \
    Gujarati Gurmukhi Han Hangul Hanunoo Hatran Hebrew Hiragana Inherited Javanese Kaithi Kannada \
    Katakana Kawi Kharoshthi Khmer Khojki Khudawadi Lao Latin Lepcha Limbu Lisu Lycian Lydian Mahajani \
    Makasar Malayalam Mandaic Manichaean Marchen Medefaidrin Miao Modi Mongolian Mro Multani Myanmar \
    Nabataean Nandinagari Newa Nko Nushu Ogham Oriya Osage Osmanya Palmyrene Phoenician Rejang Runic \
    Samaritan Saurashtra Sharada Shavian Siddham Sinhala Sogdian Soyombo Sundanese Syriac Tagalog \
    Tagbanwa Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai \
    Vithkuqi Wancho Yezidi Yi";
