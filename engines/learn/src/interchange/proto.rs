//! Writes protocol buffers and, with them, ONNX graphs: the few messages that a model needs, field numbers as in `onnx.proto3`
//! (ONNX 1.12, ir version 8). Writing only: no bytes from outside are read here (T4).

/// Types of tensors, `TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Float = 1,
    Long = 7,
    Text = 8,
    Truth = 9,
    Double = 11,
}

/// A message as its bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    fn raw(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A whole number; negative ones take ten bytes.
    pub(super) fn number(mut self, field: u32, value: i64) -> Self {
        self.raw(u64::from(field) << 3);
        self.raw(value as u64);
        self
    }

    /// Bytes of a known length: texts, messages, packed numbers.
    pub(super) fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.raw(u64::from(field) << 3 | 2);
        self.raw(value.len() as u64);
        self.0.extend(value);
        self
    }

    pub(super) fn text(self, field: u32, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub(super) fn message(self, field: u32, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    /// Whole numbers, packed.
    pub(super) fn numbers(self, field: u32, values: impl IntoIterator<Item = i64>) -> Self {
        let mut packed = Self::default();
        values.into_iter().for_each(|value| packed.raw(value as u64));
        self.bytes(field, &packed.0)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// An attribute of a node, `AttributeProto`.
fn attribute(name: &str, kind: i64) -> Message {
    Message::default().text(1, name).number(20, kind)
}

pub(super) fn number(name: &str, value: i64) -> Message {
    attribute(name, 2).number(3, value)
}

pub(super) fn text(name: &str, value: &str) -> Message {
    attribute(name, 3).text(4, value)
}

pub(super) fn floats(name: &str, values: impl IntoIterator<Item = f32>) -> Message {
    let packed: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
    attribute(name, 6).bytes(7, &packed)
}

pub(super) fn numbers(name: &str, values: impl IntoIterator<Item = i64>) -> Message {
    attribute(name, 7).numbers(8, values)
}

pub(super) fn texts<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Message {
    values.into_iter().fold(attribute(name, 8), |message, value| message.text(9, value))
}

/// A graph that grows node by node.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Message>,
    constants: Vec<Message>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
    named: usize,
}

impl Graph {
    /// What names of values inside the graph begin with.
    pub(super) const INSIDE: &str = "_inside/";

    fn name(&mut self) -> String {
        self.named += 1;
        format!("{}{}", Self::INSIDE, self.named)
    }

    fn constant(&mut self, kind: Kind, shape: &[usize], fill: impl FnOnce(Message) -> Message) -> String {
        let name = self.name();
        let dims = shape.iter().map(|&dim| dim as i64);
        let tensor = Message::default().numbers(1, dims).number(2, kind as i64).text(8, &name);
        self.constants.push(fill(tensor));
        name
    }

    pub(super) fn floats(&mut self, shape: &[usize], values: &[f32]) -> String {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Kind::Float, shape, |tensor| tensor.bytes(9, &raw))
    }

    pub(super) fn doubles(&mut self, shape: &[usize], values: &[f64]) -> String {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Kind::Double, shape, |tensor| tensor.bytes(9, &raw))
    }

    /// A single 64-bit number that fits every shape.
    pub(super) fn double(&mut self, value: f64) -> String {
        self.doubles(&[], &[value])
    }

    pub(super) fn longs(&mut self, values: &[i64]) -> String {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Kind::Long, &[values.len()], |tensor| tensor.bytes(9, &raw))
    }

    /// A single whole number, without a shape.
    pub(super) fn long(&mut self, value: i64) -> String {
        self.constant(Kind::Long, &[], |tensor| tensor.bytes(9, &value.to_le_bytes()))
    }

    pub(super) fn texts(&mut self, values: &[&str]) -> String {
        self.constant(Kind::Text, &[values.len()], |tensor| values.iter().fold(tensor, |tensor, value| tensor.text(6, value)))
    }

    fn value(name: &str, kind: Kind) -> Message {
        // TypeProto.tensor_type with the shape [rows, 1].
        let rows = Message::default().text(2, "rows");
        let one = Message::default().number(1, 1);
        let shape = Message::default().message(1, &rows).message(1, &one);
        let tensor = Message::default().number(1, kind as i64).message(2, &shape);
        Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
    }

    /// A column that the caller gives, of shape `[rows, 1]`.
    pub(super) fn input(&mut self, name: &str, kind: Kind) {
        self.inputs.push(Self::value(name, kind));
    }

    /// A column that the caller gets, of shape `[rows, 1]`.
    pub(super) fn output(&mut self, name: &str, kind: Kind, from: &str) {
        self.nodes.push(Message::default().text(1, from).text(2, name).text(4, "Identity"));
        self.outputs.push(Self::value(name, kind));
    }

    /// A node with one result, whose name it gives.
    pub(super) fn node(&mut self, operator: &str, inputs: &[&str]) -> String {
        self.node_with(operator, "", inputs, &[])
    }

    /// A node with attributes; the domain is `ai.onnx` where it is empty.
    pub(super) fn node_with(&mut self, operator: &str, domain: &str, inputs: &[&str], attributes: &[Message]) -> String {
        let name = self.name();
        let mut node = inputs.iter().fold(Message::default(), |node, input| node.text(1, input)).text(2, &name);
        node = attributes.iter().fold(node.text(4, operator), |node, attribute| node.message(5, attribute));
        self.nodes.push(if domain.is_empty() { node } else { node.text(7, domain) });
        name
    }

    /// One column of a matrix, as `[rows, 1]`.
    pub(super) fn column(&mut self, from: &str, column: usize) -> String {
        let at = self.longs(&[column as i64]);
        self.node_with("Gather", "", &[from, &at], &[number("axis", 1)])
    }

    pub(super) fn cast(&mut self, from: &str, to: Kind) -> String {
        self.node_with("Cast", "", &[from], &[number("to", to as i64)])
    }

    /// Bytes of all parts so far.
    pub(super) fn size(&self) -> usize {
        [&self.nodes, &self.constants, &self.inputs, &self.outputs].into_iter().flatten().map(Message::len).sum()
    }

    /// The whole model, `ModelProto`, with operator sets by domain and version and facts as texts.
    pub(super) fn model(self, name: &str, sets: &[(&str, i64)], facts: &[(&str, &str)]) -> Vec<u8> {
        let mut graph = Message::default();
        for (field, parts) in [(1, &self.nodes), (5, &self.constants), (11, &self.inputs), (12, &self.outputs)] {
            graph = parts.iter().fold(graph, |graph, part| graph.message(field, part));
        }
        let graph = graph.text(2, name);
        let mut model = Message::default().number(1, 8).text(2, "stayward").text(3, env!("CARGO_PKG_VERSION")).message(7, &graph);
        for (domain, version) in sets {
            model = model.message(8, &Message::default().text(1, domain).number(2, *version));
        }
        for (key, value) in facts {
            model = model.message(14, &Message::default().text(1, key).text(2, value));
        }
        model.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_encoding_says() {
        // Examples of the protocol buffers' documentation: 150 in field 1, "testing" in field 2, [3, 270, 86942] in field 6.
        assert_eq!(Message::default().number(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().text(2, "testing").into_bytes(), [0x12, 7, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]);
        let packed = Message::default().numbers(6, [3, 270, 86_942]).into_bytes();
        assert_eq!(packed, [0x32, 6, 3, 0x8e, 2, 0x9e, 0xa7, 5]);
        assert_eq!(Message::default().number(1, -2).into_bytes().len(), 11);
    }
}
