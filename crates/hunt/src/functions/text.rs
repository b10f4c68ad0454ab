//! Functions on text: entropy, defanging, hashes, Base64; and the distance of two places.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringViewArray};
use arrow::datatypes::DataType;
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::kit::{Arguments, Plain, texts};

pub(crate) fn functions() -> Vec<ScalarUDF> {
    let text = |name, body| Plain { name, takes: texts(1), gives: DataType::Utf8View, body }.udf();
    vec![
        Plain {
            name: "entropy",
            takes: texts(1),
            gives: DataType::Float64,
            body: |arguments| {
                let column = arguments.text(0)?;
                let bits: Float64Array = Arguments::map_text(&column, |text| Some(entropy(text)));
                Ok(Arc::new(bits))
            },
        }
        .udf(),
        text("defang", |arguments| each(arguments, |text| Some(defang(text)))),
        text("refang", |arguments| each(arguments, |text| Some(refang(text)))),
        text("hash_kind", |arguments| each(arguments, |text| hash_kind(text).map(str::to_owned))),
        text("b64_decode", |arguments| each(arguments, b64_decode)),
        Plain {
            name: "haversine_km",
            takes: vec![DataType::Float64; 4],
            gives: DataType::Float64,
            body: haversine,
        }
        .udf(),
    ]
}

fn each(arguments: &Arguments<'_>, f: impl Fn(&str) -> Option<String>) -> Result<ArrayRef> {
    let column = arguments.text(0)?;
    let out: StringViewArray = Arguments::map_text(&column, f);
    Ok(Arc::new(out))
}

/// Shannon entropy in bits for each byte.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let length = text.len() as f64;
    let bits = |count: u32| {
        let share = f64::from(count) / length;
        -share * share.log2()
    };
    // A sum of nothing is -0, and so is the entropy of one letter.
    counts.into_iter().filter(|count| *count > 0).map(bits).sum::<f64>().abs()
}

/// Makes what could be clicked unclickable.
fn defang(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let lower = |n: usize| rest.get(..n).map(str::to_ascii_lowercase);
        if lower(4).as_deref() == Some("http") {
            out.push_str("hxxp");
            rest = rest.get(4..).unwrap_or_default();
            continue;
        }
        if lower(6).as_deref() == Some("ftp://") {
            out.push_str("fxp://");
            rest = rest.get(6..).unwrap_or_default();
            continue;
        }
        let between = out.chars().next_back().is_some_and(char::is_alphanumeric)
            && rest.chars().nth(1).is_some_and(char::is_alphanumeric);
        match c {
            '.' if between => out.push_str("[.]"),
            '@' if between => out.push_str("[@]"),
            c => out.push(c),
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    out
}

/// Undoes the ways in which reports write indicators.
fn refang(text: &str) -> String {
    const WAYS: [(&str, &str); 14] = [
        ("hxxp", "http"),
        ("hXXp", "http"),
        ("HXXP", "HTTP"),
        ("fxp://", "ftp://"),
        ("[://]", "://"),
        ("[:]", ":"),
        ("[.]", "."),
        ("(.)", "."),
        ("{.}", "."),
        ("[dot]", "."),
        ("(dot)", "."),
        ("[@]", "@"),
        ("[at]", "@"),
        ("(at)", "@"),
    ];
    WAYS.iter().fold(text.to_owned(), |text, (from, to)| {
        if text.contains(from) { text.replace(from, to) } else { text }
    })
}

/// The kind of hash that a text looks like.
fn hash_kind(text: &str) -> Option<&'static str> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    match text.len() {
        32 => Some("md5"),
        40 => Some("sha1"),
        56 => Some("sha224"),
        64 => Some("sha256"),
        96 => Some("sha384"),
        128 => Some("sha512"),
        _ => None,
    }
}

/// Base64 of any alphabet, padded or not, as text.
fn b64_decode(text: &str) -> Option<String> {
    const LOOSE: GeneralPurposeConfig = general_purpose::PAD
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let text = text.trim();
    let plain = GeneralPurpose::new(&base64::alphabet::STANDARD, LOOSE);
    let url = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LOOSE);
    let bytes = plain.decode(text).or_else(|_| url.decode(text)).ok()?;
    let (pairs, odd) = bytes.as_chunks::<2>();
    let wide = odd.is_empty() && pairs.len() > 1 && {
        let ascii = pairs.iter().filter(|[low, high]| *high == 0 && *low != 0).count();
        ascii * 2 > pairs.len()
    };
    if wide {
        let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair));
        return char::decode_utf16(units).collect::<std::result::Result<_, _>>().ok();
    }
    String::from_utf8(bytes).ok()
}

/// Kilometres on a sphere of the earth's mean radius.
fn haversine(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    const RADIUS_KM: f64 = 6371.0088;
    let [lat1, lon1, lat2, lon2] = [
        arguments.numbers(0)?,
        arguments.numbers(1)?,
        arguments.numbers(2)?,
        arguments.numbers(3)?,
    ];
    let rows = lat1.iter().zip(lon1.iter()).zip(lat2.iter()).zip(lon2.iter());
    let kilometres: Float64Array = rows
        .map(|(((lat1, lon1), lat2), lon2)| {
            let (lat1, lat2) = (latitude(lat1?)?, latitude(lat2?)?);
            let (dlat, dlon) = (lat2 - lat1, longitude(lon2?)? - longitude(lon1?)?);
            let half =
                (dlat / 2.0).sin().powi(2) + lat1.cos() * lat2.cos() * (dlon / 2.0).sin().powi(2);
            Some(2.0 * RADIUS_KM * half.sqrt().min(1.0).asin())
        })
        .collect();
    Ok(Arc::new(kilometres))
}

/// In radians; nothing for what is no place on the globe.
fn latitude(degrees: f64) -> Option<f64> {
    (degrees.abs() <= 90.0).then(|| degrees.to_radians())
}

/// In radians; nothing for what is no place on the globe.
fn longitude(degrees: f64) -> Option<f64> {
    (degrees.abs() <= 180.0).then(|| degrees.to_radians())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_of_known_texts() {
        assert!(entropy("").to_string() == "0" && entropy("aaaa").to_string() == "0");
        assert!((entropy("abcd") - 2.0).abs() < 1e-9);
    }

    #[test]
    fn fangs_come_and_go() {
        let text = "See https://evil.example.com/a.php or mail bob@evil.example, 10.0.0.1. End.";
        let safe = "See hxxps://evil[.]example[.]com/a[.]php or mail bob[@]evil[.]example, \
                    10[.]0[.]0[.]1. End.";
        assert_eq!(defang(text), safe);
        assert_eq!(refang(safe), text);
        assert_eq!(refang("hXXps[://]a(dot)b[.]c"), "https://a.b.c");
        assert_eq!(defang("é.é ftp://x.y"), "é[.]é fxp://x[.]y");
    }

    #[test]
    fn hashes_by_length() {
        assert_eq!(hash_kind("d41d8cd98f00b204e9800998ecf8427e"), Some("md5"));
        assert_eq!(hash_kind("D41D8CD98F00B204E9800998ECF8427G"), None);
    }

    #[test]
    fn base64_is_text_of_both_widths() {
        assert_eq!(b64_decode("aGVsbG8="), Some("hello".to_owned()));
        assert_eq!(b64_decode("aGVsbG8"), Some("hello".to_owned()));
        assert_eq!(b64_decode("aQBlAHgA"), Some("iex".to_owned()));
        assert_eq!(b64_decode("_-8"), None);
        assert_eq!(b64_decode("not base64!"), None);
    }
}
