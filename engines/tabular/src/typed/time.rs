//! Reads moments as the contract writes them.

use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;

/// The format name for seconds since 1970.
pub(crate) const UNIX: &str = "unix";
/// Formats that a guess tries, in this order.
pub(crate) const FORMATS: [&str; 13] = [
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S%:z",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%m/%d/%Y %H:%M",
];

/// Seconds since 1970, UTC, of a text; a text without an offset is taken as UTC, one without a time as midnight.
pub(crate) fn parse(format: &str, text: &str) -> Option<i64> {
    if format == UNIX {
        return text.parse().ok();
    }
    let parts: BrokenDownTime = strtime::parse(format, text).ok()?;
    if parts.offset().is_some() {
        return parts.to_timestamp().ok().map(|moment| moment.as_second());
    }
    let moment = match parts.hour() {
        Some(_) => parts.to_datetime().ok()?,
        None => parts.to_date().ok()?.at(0, 0, 0, 0),
    };
    TimeZone::UTC.to_timestamp(moment).ok().map(|moment| moment.as_second())
}

/// Remembers the last text: times of neighbouring rows are often equal.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    format: String,
    last: Option<(String, Option<i64>)>,
}

impl Moments {
    pub(crate) fn new(format: &str) -> Self {
        Self { format: format.to_owned(), last: None }
    }

    pub(crate) fn is_unix(&self) -> bool {
        self.format == UNIX
    }

    pub(crate) fn parse(&mut self, text: &str) -> Option<i64> {
        if let Some((known, moment)) = &self.last
            && known == text
        {
            return *moment;
        }
        let moment = parse(&self.format, text);
        self.last = Some((text.to_owned(), moment));
        moment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_read_what_they_say() {
        for (format, text, seconds) in [
            ("%Y-%m-%d", "2011-03-01", Some(1_298_937_600)),
            ("%Y-%m-%d %H:%M:%S", "2010-12-01 08:26:00", Some(1_291_191_960)),
            ("%Y-%m-%dT%H:%M:%S%:z", "2010-12-01T09:26:00+01:00", Some(1_291_191_960)),
            ("%Y-%m-%dT%H:%M:%SZ", "2010-12-01T08:26:00Z", Some(1_291_191_960)),
            ("%d.%m.%Y", "01.03.2011", Some(1_298_937_600)),
            ("unix", "1298937600", Some(1_298_937_600)),
            ("%Y-%m-%d", "2011-02-30", None),
            ("%Y-%m-%d", "2011-03-01 12:00", None),
            ("%Y-%m-%d", "", None),
            ("%Q", "1", None),
        ] {
            assert_eq!(parse(format, text), seconds, "{format} {text}");
        }
    }
}
