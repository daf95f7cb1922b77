//! Names the attacks, so that a table of detection says which of them is seen and which is not (T1, T6).

use serde::{Deserialize, Serialize};

/// A way to poison a delivery. The name in files and tables is the kebab-case one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Honest: history and delivery are random parts of one table.
    ControlHalves,
    /// Honest: the delivery is later than the history, or stands after it in the file.
    ControlLater,
    /// Labels of random rows turned.
    FlipRandom,
    /// Churners labelled stayers: what an insider gains by.
    FlipDirected,
    /// Labels turned where a model of the history is least sure.
    FlipBoundary,
    /// Labels turned within one segment: one level of a category, or one third of a number.
    FlipSegment,
    /// Churners of the upper third of the value labelled stayers.
    HideTopChurners,
    /// Rows of the upper third of the value claim a value of the lower third.
    DisguisedValue,
    /// As `DisguisedValue`, with the label of the row that the value is from.
    DisguisedValueLabel,
    /// Churners of the upper third and stayers of the lower third exchange their values: the column keeps its law exactly.
    ValueExchange,
    /// As `DisguisedValue`, by an attacker who knows near-deterministic relations and keeps them.
    DisguisedValueAdaptive,
    /// Churners get a rare combination of values, each in range, and the label of a stayer.
    BackdoorDirty,
    /// Stayers get a rare combination of values, each in range; no label is touched.
    BackdoorClean,
    /// Rows at the edge of one cluster of the numbers, in the direction of another: they draw its centre away.
    CentroidPull,
    /// A cloud of rows where no cluster is, each value in range.
    NewCluster,
    /// Rows between two clusters, which joins them.
    Bridge,
    /// As `CentroidPull`, by an attacker who sends rows of the history from there, numbers that no relation binds moved a little:
    /// each row could be honest, only their number is not.
    CentroidPullAdaptive,
    /// Half of the numbers of a row beyond the 99th percentile.
    Beyond,
    /// Each column drawn by itself from its own values: in range each, impossible together, columns keep their laws.
    Mimic,
    /// As `Mimic`, by an attacker who finds near-deterministic relations (linear, products, levels that exclude each other) and
    /// keeps them.
    MimicAdaptive,
    /// Near copies of one row.
    DenseBlock,
    /// Rows of the delivery sent twice.
    ExactDuplicates,
    /// Rows of the history sent again, identifier and time included.
    Replay,
    /// Rows of the history under identifiers of their own, with numbers moved a little: those that no relation binds, if some are.
    NearClones,
    /// Money of some rows a hundred times as much.
    Cents,
    /// One number of some rows a hundredth as much.
    Percent,
    /// Money of some rows in another currency: 1.1 to 1.3 times as much, one rate for all.
    Currency,
    /// Times after every honest one.
    TimeFuture,
    /// Times before every honest one.
    TimeBackdated,
    /// One time for all touched rows.
    TimeConstant,
    /// Times exchanged between rows.
    TimeShuffled,
    /// A feature column is missing.
    ColumnDropped,
    /// A feature column has another name.
    ColumnRenamed,
    /// Two columns of the same kind exchanged under their old names; those that look most alike.
    ColumnsSwapped,
    /// A column of numbers written as text with a unit.
    TypeChanged,
    /// Every label turned.
    LabelsInverted,
    /// The levels of one category have other names.
    LevelsRenamed,
    /// A column that nobody asked for: a copy of the label in disguise.
    ExtraColumn,
    /// Marks of an unresolved merge: `<<<<<<<`, `=======`, `>>>>>>>`.
    ConflictMarks,
    /// Quotes opened and not closed.
    BrokenQuotes,
    /// NUL bytes in cells.
    NulBytes,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// The file ends within a row.
    Truncated,
    /// Line ends within cells, without quotes.
    EmbeddedNewlines,
    /// Market feed: shares of some regions and weeks add up to more than 1. Share: part of the regions and weeks.
    MarketShares,
    /// Market feed: one region's prices lower by the share.
    MarketRegion,
    /// Market feed: prices of half of the regions sink slowly, at the last week by the share.
    MarketDrift,
    /// Market feed: one competitor's prices lower by the share.
    MarketCompetitor,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 48] = [
        Self::ControlHalves,
        Self::ControlLater,
        Self::FlipRandom,
        Self::FlipDirected,
        Self::FlipBoundary,
        Self::FlipSegment,
        Self::HideTopChurners,
        Self::DisguisedValue,
        Self::DisguisedValueLabel,
        Self::ValueExchange,
        Self::DisguisedValueAdaptive,
        Self::BackdoorDirty,
        Self::BackdoorClean,
        Self::CentroidPull,
        Self::NewCluster,
        Self::Bridge,
        Self::CentroidPullAdaptive,
        Self::Beyond,
        Self::Mimic,
        Self::MimicAdaptive,
        Self::DenseBlock,
        Self::ExactDuplicates,
        Self::Replay,
        Self::NearClones,
        Self::Cents,
        Self::Percent,
        Self::Currency,
        Self::TimeFuture,
        Self::TimeBackdated,
        Self::TimeConstant,
        Self::TimeShuffled,
        Self::ColumnDropped,
        Self::ColumnRenamed,
        Self::ColumnsSwapped,
        Self::TypeChanged,
        Self::LabelsInverted,
        Self::LevelsRenamed,
        Self::ExtraColumn,
        Self::ConflictMarks,
        Self::BrokenQuotes,
        Self::NulBytes,
        Self::InvalidUtf8,
        Self::Truncated,
        Self::EmbeddedNewlines,
        Self::MarketShares,
        Self::MarketRegion,
        Self::MarketDrift,
        Self::MarketCompetitor,
    ];

    /// The class of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whether nothing is hostile.
    pub fn is_control(self) -> bool {
        matches!(self, Self::ControlHalves | Self::ControlLater)
    }

    /// Whether single rows are touched and the truth lists them; else the whole file is hostile, or nothing.
    pub fn touches_rows(self) -> bool {
        !self.is_control() && !self.is_of_file()
    }

    /// Whether the columns of the whole file, or its end, are attacked.
    pub fn is_of_file(self) -> bool {
        matches!(
            self,
            Self::ColumnDropped
                | Self::ColumnRenamed
                | Self::ColumnsSwapped
                | Self::TypeChanged
                | Self::LabelsInverted
                | Self::LevelsRenamed
                | Self::ExtraColumn
                | Self::Truncated
        )
    }

    /// Whether the attack is on a feed of market prices, which has columns of its own.
    pub fn is_of_market(self) -> bool {
        matches!(self, Self::MarketShares | Self::MarketRegion | Self::MarketDrift | Self::MarketCompetitor)
    }

    /// The name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::ControlHalves => "control-halves",
            Self::ControlLater => "control-later",
            Self::FlipRandom => "flip-random",
            Self::FlipDirected => "flip-directed",
            Self::FlipBoundary => "flip-boundary",
            Self::FlipSegment => "flip-segment",
            Self::HideTopChurners => "hide-top-churners",
            Self::DisguisedValue => "disguised-value",
            Self::DisguisedValueLabel => "disguised-value-label",
            Self::ValueExchange => "value-exchange",
            Self::DisguisedValueAdaptive => "disguised-value-adaptive",
            Self::BackdoorDirty => "backdoor-dirty",
            Self::BackdoorClean => "backdoor-clean",
            Self::CentroidPull => "centroid-pull",
            Self::NewCluster => "new-cluster",
            Self::Bridge => "bridge",
            Self::CentroidPullAdaptive => "centroid-pull-adaptive",
            Self::Beyond => "beyond",
            Self::Mimic => "mimic",
            Self::MimicAdaptive => "mimic-adaptive",
            Self::DenseBlock => "dense-block",
            Self::ExactDuplicates => "exact-duplicates",
            Self::Replay => "replay",
            Self::NearClones => "near-clones",
            Self::Cents => "cents",
            Self::Percent => "percent",
            Self::Currency => "currency",
            Self::TimeFuture => "time-future",
            Self::TimeBackdated => "time-backdated",
            Self::TimeConstant => "time-constant",
            Self::TimeShuffled => "time-shuffled",
            Self::ColumnDropped => "column-dropped",
            Self::ColumnRenamed => "column-renamed",
            Self::ColumnsSwapped => "columns-swapped",
            Self::TypeChanged => "type-changed",
            Self::LabelsInverted => "labels-inverted",
            Self::LevelsRenamed => "levels-renamed",
            Self::ExtraColumn => "extra-column",
            Self::ConflictMarks => "conflict-marks",
            Self::BrokenQuotes => "broken-quotes",
            Self::NulBytes => "nul-bytes",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::Truncated => "truncated",
            Self::EmbeddedNewlines => "embedded-newlines",
            Self::MarketShares => "market-shares",
            Self::MarketRegion => "market-region",
            Self::MarketDrift => "market-drift",
            Self::MarketCompetitor => "market-competitor",
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(self.name())
    }
}
