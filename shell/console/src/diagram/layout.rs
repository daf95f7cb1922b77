//! Where the boxes and arrows of the diagram stand, in SVG units. Text is 12 to 14 units high (T1 to T7).

use crate::view::pipeline::Place;

/// A box: one of our steps, or something that the steps stand between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Step(Place),
    Outside(&'static [&'static str]),
}

pub(super) const THIRD_PARTY: Node = Node::Outside(&["Third-party", "data source"]);
pub(super) const INTERNAL: Node = Node::Outside(&["Internal", "customer data"]);
pub(super) const LABELS: Node = Node::Outside(&["Labels", "from people"]);
pub(super) const DATA_SOURCE: Node = Node::Outside(&["Machine learning", "data source"]);
pub(super) const DEPLOYMENT: Node = Node::Outside(&["Deployment"]);
pub(super) const CALLER: Node = Node::Outside(&["Caller"]);

/// A node and its rectangle.
#[derive(Debug)]
pub(super) struct At {
    pub(super) node: Node,
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) w: i32,
    pub(super) h: i32,
}

/// What an arrow carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Data, models, queries.
    Data,
    /// What monitoring reads.
    Watch,
}

impl Flow {
    pub(super) fn class(self) -> &'static str {
        match self {
            Flow::Data => "flow",
            Flow::Watch => "watch",
        }
    }
}

/// A bent arrow; its label with the label's left end.
#[derive(Debug)]
pub(super) struct Arrow {
    pub(super) flow: Flow,
    pub(super) points: &'static [(i32, i32)],
    pub(super) label: Option<(&'static str, i32, i32)>,
}

/// A named ground behind boxes.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) name: &'static str,
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) w: i32,
    pub(super) h: i32,
}

/// One arrangement.
#[derive(Debug)]
pub(super) struct Layout {
    /// The class of the drawing, and the stem of its ids.
    pub(super) id: &'static str,
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) zones: &'static [Zone],
    pub(super) boxes: &'static [At],
    pub(super) arrows: &'static [Arrow],
}

const fn at(node: Node, x: i32, y: i32, w: i32, h: i32) -> At {
    At { node, x, y, w, h }
}

const fn flow(points: &'static [(i32, i32)]) -> Arrow {
    Arrow { flow: Flow::Data, points, label: None }
}

const fn named(text: &'static str, x: i32, y: i32, points: &'static [(i32, i32)]) -> Arrow {
    Arrow { flow: Flow::Data, points, label: Some((text, x, y)) }
}

const fn watch(points: &'static [(i32, i32)]) -> Arrow {
    Arrow { flow: Flow::Watch, points, label: None }
}

/// For screens from about a thousand pixels.
pub(super) const WIDE: Layout = Layout {
    id: "wide",
    width: 1240,
    height: 760,
    zones: &[
        Zone { name: "DATA", x: 4, y: 4, w: 648, h: 398 },
        Zone { name: "TRAINING, STAGING, RELEASE", x: 684, y: 4, w: 552, h: 398 },
        Zone { name: "SERVING", x: 4, y: 446, w: 1232, h: 310 },
    ],
    boxes: &[
        at(THIRD_PARTY, 20, 40, 140, 96),
        at(INTERNAL, 20, 164, 140, 96),
        at(LABELS, 20, 288, 140, 96),
        at(Node::Step(Place::Intake), 198, 40, 240, 96),
        at(Node::Step(Place::Source), 198, 164, 240, 96),
        at(Node::Step(Place::LabelQa), 198, 288, 240, 96),
        at(DATA_SOURCE, 480, 40, 156, 344),
        at(Node::Step(Place::Segment), 700, 40, 240, 96),
        at(Node::Step(Place::Train), 980, 40, 240, 96),
        at(Node::Step(Place::Dependency), 980, 164, 240, 96),
        at(Node::Step(Place::Release), 980, 288, 240, 96),
        at(DEPLOYMENT, 700, 288, 240, 96),
        at(CALLER, 20, 500, 120, 96),
        at(Node::Step(Place::ApiGuard), 198, 500, 240, 96),
        at(Node::Step(Place::InputGuard), 589, 500, 240, 96),
        at(Node::Step(Place::Predict), 980, 500, 240, 96),
        at(Node::Step(Place::Monitor), 589, 644, 240, 96),
    ],
    arrows: &[
        flow(&[(160, 88), (198, 88)]),
        flow(&[(160, 212), (198, 212)]),
        flow(&[(160, 336), (198, 336)]),
        flow(&[(438, 88), (480, 88)]),
        flow(&[(438, 212), (480, 212)]),
        flow(&[(438, 336), (480, 336)]),
        flow(&[(636, 88), (700, 88)]),
        flow(&[(940, 88), (980, 88)]),
        flow(&[(1100, 136), (1100, 164)]),
        flow(&[(1100, 260), (1100, 288)]),
        flow(&[(980, 336), (940, 336)]),
        named(
            "the released model, reached only through API security controls",
            336,
            418,
            &[(820, 384), (820, 425), (318, 425), (318, 500)],
        ),
        flow(&[(140, 532), (198, 532)]),
        flow(&[(198, 566), (140, 566)]),
        named("query", 492, 540, &[(438, 548), (589, 548)]),
        named("checked row", 868, 540, &[(829, 548), (980, 548)]),
        named("raw score, never shown outside", 612, 466, &[(1100, 500), (1100, 474), (398, 474), (398, 500)]),
        watch(&[(318, 596), (318, 692), (589, 692)]),
        watch(&[(709, 596), (709, 644)]),
        watch(&[(1100, 596), (1100, 692), (829, 692)]),
    ],
};

/// For narrow screens: one column, read downwards.
pub(super) const NARROW: Layout = Layout {
    id: "narrow",
    width: 360,
    height: 1500,
    zones: &[
        Zone { name: "DATA", x: 2, y: 2, w: 356, h: 430 },
        Zone { name: "TRAINING, STAGING, RELEASE", x: 2, y: 448, w: 356, h: 556 },
        Zone { name: "SERVING", x: 2, y: 1020, w: 356, h: 478 },
    ],
    boxes: &[
        at(THIRD_PARTY, 10, 36, 92, 92),
        at(INTERNAL, 10, 144, 92, 92),
        at(LABELS, 10, 252, 92, 92),
        at(Node::Step(Place::Intake), 124, 36, 212, 92),
        at(Node::Step(Place::Source), 124, 144, 212, 92),
        at(Node::Step(Place::LabelQa), 124, 252, 212, 92),
        at(DATA_SOURCE, 10, 366, 340, 54),
        at(Node::Step(Place::Segment), 64, 482, 232, 92),
        at(Node::Step(Place::Train), 64, 596, 232, 92),
        at(Node::Step(Place::Dependency), 64, 710, 232, 92),
        at(Node::Step(Place::Release), 64, 824, 232, 92),
        at(DEPLOYMENT, 64, 940, 232, 52),
        at(CALLER, 10, 1056, 76, 92),
        at(Node::Step(Place::ApiGuard), 130, 1056, 206, 92),
        at(Node::Step(Place::InputGuard), 130, 1170, 206, 92),
        at(Node::Step(Place::Predict), 130, 1284, 206, 92),
        at(Node::Step(Place::Monitor), 130, 1398, 206, 92),
    ],
    arrows: &[
        flow(&[(102, 82), (124, 82)]),
        flow(&[(102, 190), (124, 190)]),
        flow(&[(102, 298), (124, 298)]),
        flow(&[(336, 82), (345, 82), (345, 366)]),
        flow(&[(336, 190), (345, 190), (345, 366)]),
        flow(&[(336, 298), (345, 298), (345, 366)]),
        flow(&[(270, 420), (270, 482)]),
        flow(&[(180, 574), (180, 596)]),
        flow(&[(180, 688), (180, 710)]),
        flow(&[(180, 802), (180, 824)]),
        flow(&[(180, 916), (180, 940)]),
        flow(&[(240, 992), (240, 1056)]),
        flow(&[(86, 1080), (130, 1080)]),
        flow(&[(130, 1104), (86, 1104)]),
        flow(&[(233, 1148), (233, 1170)]),
        flow(&[(233, 1262), (233, 1284)]),
        flow(&[(336, 1330), (347, 1330), (347, 1102), (336, 1102)]),
        watch(&[(130, 1136), (108, 1136), (108, 1444), (130, 1444)]),
        watch(&[(130, 1216), (108, 1216), (108, 1444), (130, 1444)]),
        watch(&[(233, 1376), (233, 1398)]),
    ],
};
