//! What the check of a delivery costs, where data comes in from outside (T1): one half of a comparison with pandera and Great
//! Expectations, whose half is `intake_peer.py`.
//!
//! usage: bench FOLDER intake | intake-large. The first writes the rows of the first task (`intake.f64`, numbers column after column;
//! `intake.u8`, codes of categories likewise) and `intake.json`: schema and ranges of a million rows (CPU seconds, findings), and the
//! whole content check of two million (CPU seconds, seconds on the clock, rows a second on it). `intake-large [ROWS]` screens a
//! hundred million rows (or so many), made on the way, and prints the peak of memory.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, RecordBatch};
use arrow_schema::{Field, FieldRef, Schema};
use frame::{Categories, Column, Frame};
use learn::rng::Rng;
use screen::{Golden, Profile, ProfileSpec, ROWS_MAX, Screen, State};
use tabular::Decimal;
use tabular::contract::{ColumnRule, Contract, Duplicates, Kind, Role};

use crate::{Outcome, SEED, repeated, timed};

/// Rows and columns of the check of schema and ranges; each column has a kind with its range or levels, and may not miss: 40 checks.
const SCHEMA_ROWS: usize = 1_000_000;
const SCHEMA_NUMBERS: usize = 12;
const SCHEMA_CATEGORIES: usize = 8;
/// Columns of the content check.
const NUMBERS: usize = 19;
const CATEGORIES: usize = 6;
const LEVELS: [&str; 4] = ["north", "east", "south", "west"];
/// Trusted rows that the profile learns from.
const TRUSTED: usize = 20_000;
/// Rows of a delivery, and of each part that is handed over.
const CONTENT_ROWS: usize = 2_000_000;
const PART: usize = 250_000;
/// Rows of a part of a very large delivery.
const LARGE_PART: usize = 131_072;
const ID: &str = "customer";
/// Numbers lie within.
const RANGE: f64 = 6.0;

pub(crate) fn run(folder: &Path) -> Outcome<()> {
    let mut rng = Rng::new(SEED);
    let frame = drawn(SCHEMA_ROWS, (SCHEMA_NUMBERS, SCHEMA_CATEGORIES), &mut rng)?;
    write(folder, &frame)?;
    let schema = schema(&frame)?;

    let trusted = drawn(TRUSTED, (NUMBERS, CATEGORIES), &mut rng)?;
    let profile = Profile::learn(&Golden { frame: &trusted }, &ProfileSpec::default())?;
    let parts: Vec<Frame> =
        (0..CONTENT_ROWS / PART).map(|_| drawn(PART, (NUMBERS, CATEGORIES), &mut rng)).collect::<Result<_, _>>()?;
    let (state, clock) = (State::default(), Instant::now());
    let (screened, content) = timed(|| {
        let mut screen = Screen::new(&profile, &state, None);
        parts.iter().try_for_each(|part| screen.push(part)).map(|()| screen.finish())
    })?;
    let clock = clock.elapsed().as_secs_f64();
    let suggestion = format!("{:?}", screened?.verdict);
    let rate = CONTENT_ROWS as f64 / clock;
    println!("content of {CONTENT_ROWS} rows: {content:.2} CPU s, {clock:.2} s, {rate:.0} rows/s; {suggestion}");
    let text = format!(
        "{{\"schema\": {schema}, \"content\": [{content}, {clock}, {rate}], \"rows\": [{SCHEMA_ROWS}, {CONTENT_ROWS}]}}\n"
    );
    Ok(std::fs::write(folder.join("intake.json"), text)?)
}

/// Schema and ranges: of texts and of categories by their codes, as the peers get them, each as CPU seconds and seconds on the clock;
/// and what the whole table takes, with values typed and equal rows found.
fn schema(frame: &Frame) -> Outcome<String> {
    let contract = contract(frame);
    let texts = tabular::bridge::of_frame(frame)?;
    let mut parts = Vec::new();
    for (form, batch) in [("categories", coded(&texts)?), ("texts", texts)] {
        let batches = std::slice::from_ref(&batch);
        let findings = tabular::typed::check(&contract, batches)?.violations_count();
        let (mut calls, clock) = (0_u32, Instant::now());
        let used = repeated(|| {
            calls += 1;
            drop(std::hint::black_box(tabular::typed::check(&contract, batches)));
        })?;
        let clock = clock.elapsed().as_secs_f64() / f64::from(calls.max(1));
        println!("schema and ranges of {SCHEMA_ROWS} rows ({form}): {used:.4} CPU s, {clock:.4} s, {findings} findings");
        let (table, whole) = timed(|| tabular::typed::read(&contract, batches))?;
        println!("  with a table of them, equal rows found: {whole:.2} CPU s, {} findings", table?.violations_count());
        parts.push(format!("\"{form}\": [{used}, {clock}, {findings}, {whole}]"));
    }
    Ok(format!("{{{}}}", parts.join(", ")))
}

/// Texts as places in a dictionary, as the peers hold categories.
fn coded(batch: &RecordBatch) -> Outcome<RecordBatch> {
    let columns = batch.columns().iter().map(|column| -> ArrayRef {
        match column.as_string_opt::<i32>() {
            Some(texts) => Arc::new(texts.iter().collect::<DictionaryArray<Int8Type>>()),
            None => Arc::clone(column),
        }
    });
    let columns: Vec<ArrayRef> = columns.collect();
    let schema = batch.schema();
    let field = |(field, column): (&FieldRef, &ArrayRef)| Field::new(field.name(), column.data_type().clone(), true);
    let fields: Vec<Field> = schema.fields().iter().zip(&columns).map(field).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// One delivery of so many rows, each about another customer, made part by part as a file is read: whole rows are compared, too.
pub(crate) fn large(rows_wanted: usize) -> Outcome<()> {
    let mut rng = Rng::new(SEED);
    let columns = (NUMBERS, CATEGORIES);
    let trusted = named(drawn(TRUSTED, columns, &mut rng)?, 0)?;
    let spec = ProfileSpec { id: Some(ID.to_owned()), ..ProfileSpec::default() };
    let profile = Profile::learn(&Golden { frame: &trusted }, &spec)?;
    let state = State::default();
    let mut screen = Screen::new(&profile, &state, None);
    let (mut rows, mut clock, mut used) = (0, 0.0, 0.0);
    while rows < rows_wanted.min(ROWS_MAX) {
        let part = named(drawn(LARGE_PART, columns, &mut rng)?, TRUSTED + rows)?;
        let start = Instant::now();
        used += timed(|| screen.push(&part))?.1;
        clock += start.elapsed().as_secs_f64();
        rows += LARGE_PART;
    }
    let start = Instant::now();
    let (screening, ending) = timed(|| screen.finish())?;
    (clock, used) = (clock + start.elapsed().as_secs_f64(), used + ending);
    let (rate, each, verdict) = (rows as f64 / clock, used / rows as f64 * 1e6, format!("{:?}", screening.verdict));
    let verdict = verdict.split('(').next().unwrap_or_default().to_owned();
    let copies = screening.tests.iter().find(|test| test.layer == screen::Layer::Duplicate).map_or("", |test| test.seen.as_str());
    println!("{rows} rows x 25: {rate:.0} rows/s, {each:.2} CPU us a row, peak {:.2} GiB", crate::large::peak()?);
    println!("  {verdict}, {} rows to set aside; {copies}", screening.rows_flagged);
    Ok(())
}

/// The same rows, each about a customer of its own.
fn named(mut frame: Frame, first: usize) -> Result<Frame, frame::FrameError> {
    let rows = frame.rows();
    let levels = (0..rows).map(|row| format!("{:09}", first + row)).collect();
    let codes = (0..rows).map(|row| u32::try_from(row).unwrap_or(u32::MAX)).collect();
    frame.push(ID, Column::Category(Categories { levels, codes }))?;
    Ok(frame)
}

/// Customers of which most columns follow a few hidden traits.
fn drawn(rows: usize, (numbers, categories): (usize, usize), rng: &mut Rng) -> Result<Frame, frame::FrameError> {
    let mut columns: Vec<Vec<f64>> = (0..numbers).map(|_| Vec::with_capacity(rows)).collect();
    let mut codes: Vec<Vec<Option<&str>>> = (0..categories).map(|_| Vec::with_capacity(rows)).collect();
    for _ in 0..rows {
        let traits: [f64; 3] = std::array::from_fn(|_| rng.unit() * 2.0 - 1.0);
        for (at, column) in columns.iter_mut().enumerate() {
            let value = traits[at % 3] * 2.0 + (rng.unit() + rng.unit() - 1.0) * 1.5;
            column.push(if at % 4 == 3 { (value * 4.0).round() / 4.0 } else { value });
        }
        for (at, column) in codes.iter_mut().enumerate() {
            let place = ((traits[at % 3] + 1.0) * 1.5 + rng.unit()) as usize;
            column.push(LEVELS.get(place.min(LEVELS.len() - 1)).copied());
        }
    }
    let mut frame = Frame::new(rows);
    for (at, column) in columns.into_iter().enumerate() {
        frame.push(&format!("n{at}"), Column::Number(column))?;
    }
    for (at, column) in codes.into_iter().enumerate() {
        frame.push(&format!("c{at}"), Column::Category(Categories::from_texts(column)))?;
    }
    Ok(frame)
}

fn contract(frame: &Frame) -> Contract {
    let rule = |(name, column): (&str, &Column)| {
        let kind = match column {
            Column::Number(_) => Kind::Number { integer: false, min: Some(-RANGE), max: Some(RANGE), unit: None },
            Column::Category(_) => Kind::Category { levels: LEVELS.iter().map(|level| (*level).to_owned()).collect() },
        };
        ColumnRule::new(name, Role::Feature, kind)
    };
    Contract {
        name: "bench".to_owned(),
        decimal: Decimal::default(),
        missing_marks: Vec::new(),
        duplicates: Duplicates::Allow,
        label: None,
        columns: frame.iter().map(rule).collect(),
        outsider_budget: None,
        relations: Vec::new(),
    }
}

fn write(folder: &Path, frame: &Frame) -> Outcome<()> {
    let (mut numbers, mut codes) = (Vec::new(), Vec::new());
    for column in frame.columns() {
        match column {
            Column::Number(values) => values.iter().for_each(|value| numbers.extend(value.to_le_bytes())),
            Column::Category(all) => {
                for row in 0..all.codes.len() {
                    let place = LEVELS.iter().position(|level| all.text(row) == Some(level)).ok_or("an unknown level")?;
                    codes.push(u8::try_from(place)?);
                }
            }
        }
    }
    std::fs::write(folder.join("intake.f64"), numbers)?;
    Ok(std::fs::write(folder.join("intake.u8"), codes)?)
}
