//! Measures reading and writing against `yaml_serde`, on files that are given: `cargo run --release --example speed FILE...`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use fluxbot_yaml::{Reading, parse, write_to};
use serde::Deserialize as _;

/// How often everything is measured; the fastest run counts.
const RUNS: usize = 15;

fn fastest(mut run: impl FnMut() -> usize) -> (Duration, usize) {
    let mut least = Duration::MAX;
    let mut parts = 0;
    for _ in 0..RUNS {
        let start = Instant::now();
        parts = black_box(run());
        least = least.min(start.elapsed());
    }
    (least, parts)
}

fn show(what: &str, bytes: usize, (time, documents): (Duration, usize)) {
    let millis = time.as_secs_f64() * 1e3;
    let speed = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1e3 / millis;
    println!("{what:<28} {millis:>9.2} ms {speed:>8.1} MB/s {documents:>7} documents");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut texts = Vec::new();
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path)?;
        // Both have to read what is measured.
        let other = yaml_serde::Deserializer::from_str(&text)
            .all(|part| yaml_serde::Value::deserialize(part).is_ok());
        if other && parse(&text, Reading::Api).is_ok() && parse(&text, Reading::Kustomize).is_ok() {
            texts.push(text);
        }
    }
    let bytes: usize = texts.iter().map(String::len).sum();
    println!("{} files, {bytes} bytes", texts.len());
    let read = |reading: Reading| {
        fastest(|| {
            texts
                .iter()
                .map(|text| parse(text, reading).map_or(0, |all| all.len()))
                .sum()
        })
    };
    show("read as the API does", bytes, read(Reading::Api));
    show("read as kustomize does", bytes, read(Reading::Kustomize));
    let layouts = || {
        texts
            .iter()
            .map(|text| fluxbot_yaml::layout(text).map_or(0, |all| all.scalars.len()))
    };
    show("places alone (scalars)", bytes, fastest(|| layouts().sum()));
    let theirs = || {
        let count = |text: &String| {
            let documents = yaml_serde::Deserializer::from_str(text);
            documents
                .filter_map(|part| black_box(yaml_serde::Value::deserialize(part)).ok())
                .count()
        };
        texts.iter().map(count).sum()
    };
    show("read by yaml_serde", bytes, fastest(theirs));
    let nodes = texts
        .iter()
        .filter_map(|text| parse(text, Reading::Api).ok())
        .flatten();
    let values: Vec<fluxbot_yaml::Value> = nodes.map(fluxbot_yaml::Node::into_value).collect();
    let mut out = String::new();
    let written = fastest(|| {
        out.clear();
        for value in &values {
            write_to(value, &mut out);
        }
        values.len()
    });
    show("written", out.len(), written);
    let json: Vec<serde_json::Value> = values.into_iter().map(serde_json::Value::from).collect();
    let mut size = 0;
    let theirs = fastest(|| {
        size = json
            .iter()
            .filter_map(|value| yaml_serde::to_string(value).ok())
            .map(|text| text.len())
            .sum();
        json.len()
    });
    show("written by yaml_serde", size, theirs);
    Ok(())
}
