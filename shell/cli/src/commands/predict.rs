//! `stayward predict`: asks the running service as an application does, over HTTPS with the project's own authority (T2).

use std::path::{Path, PathBuf};

use clap::Args;
use pipeline::PipelineError;
use serde_json::Value;

use super::{Ended, wrong};
use crate::client::{Answer, Client};
use crate::output::{Output, table};

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// A customer's id. May be repeated.
    #[arg(long = "customer", required = true)]
    customers: Vec<String>,
    /// Where the service is.
    #[arg(long, default_value = "https://localhost:8443")]
    url: String,
    /// The application's key.
    #[arg(long, env = "STAYWARD_API_KEY", hide_env_values = true)]
    key: Option<String>,
    /// The authority to trust (PEM); the project's where absent.
    #[arg(long)]
    ca: Option<PathBuf>,
}

pub(crate) fn run(args: PredictArgs, root: &Path, out: &Output) -> Ended {
    let key = args.key.ok_or_else(|| {
        wrong("there is no API key", "set STAYWARD_API_KEY, or make a key with `stayward api key create --app NAME`")
    })?;
    let ca = args.ca.unwrap_or_else(|| root.join("tls/ca.pem"));
    let client = Client::new(&args.url, &ca, &key)?;
    let answer = match args.customers.as_slice() {
        [one] => client.customer(one),
        several => client.customers(several),
    };
    match answer {
        Ok(answer) if answer.status == 200 => {
            out.result(&answer.body, || show(&answer.body, &args.customers));
            Ok(0)
        }
        Ok(answer) => refused(&answer, out),
        Err(PipelineError::Internal(why)) => {
            // Nobody could be asked, which is no fault of this program.
            out.error(&why, "start it with `stayward serve`, or name another with --url");
            Ok(3)
        }
        Err(error) => Err(error),
    }
}

/// A refusal is a result: the caller's face of it, and the exit code.
fn refused(answer: &Answer, out: &Output) -> Ended {
    let why = answer.body.get("error").and_then(Value::as_str).unwrap_or("refused");
    let help = match answer.status {
        401 => "give a valid key: `stayward api key ls`, `stayward api key create --app NAME`",
        403 => "the key may not ask this; an operator finds the reason with `stayward evidence show REF`",
        422 => "the question is refused; an operator finds the reason with `stayward evidence show REF`",
        429 => "the limit is used up; wait, or see `stayward api usage`",
        404 => "check the customer's id and the URL",
        _ => "an operator finds the reason with `stayward evidence show REF`",
    };
    out.error(&format!("{why} (HTTP {})", answer.status), help);
    if out.format != crate::args::Format::Table {
        out.result(&answer.body, String::new);
    }
    Ok(exit_code(answer.status))
}

/// The documented exit code of a status.
const fn exit_code(status: u16) -> u8 {
    match status {
        200..=299 => 0,
        401 => 4,
        403 | 404 | 422 => 1,
        429 => 7,
        400..=499 => 2,
        _ => 70,
    }
}

fn show(body: &Value, customers: &[String]) -> String {
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let evidence = text(body.get("evidence"));
    let alone = vec![body.clone()];
    let rows = body.get("predictions").and_then(Value::as_array).unwrap_or(&alone);
    let deciles = rows.iter().any(|row| row.get("decile").is_some());
    let cells = |(row, asked): (&Value, &String)| {
        let mut cells = vec![row.get("customer").and_then(Value::as_str).unwrap_or(asked).to_owned(), text(row.get("churn"))];
        cells.extend(deciles.then(|| text(row.get("decile"))));
        cells
    };
    let rows: Vec<Vec<String>> = rows.iter().zip(customers).map(cells).collect();
    let head: &[&str] = if deciles { &["customer", "churn", "decile"] } else { &["customer", "churn"] };
    let model =
        body.get("model").map(|model| format!("\nmodel {} {}", text(Some(model)), text(body.get("version")))).unwrap_or_default();
    format!("{}{model}\nevidence {evidence}   (stayward evidence verify {evidence})", table(head, &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_their_exit_codes() {
        let check = |status: u16, code: u8| assert_eq!(exit_code(status), code, "{status}");
        check(200, 0);
        check(400, 2);
        check(401, 4);
        check(403, 1);
        check(422, 1);
        check(429, 7);
        check(500, 70);
        check(503, 70);
    }
}
