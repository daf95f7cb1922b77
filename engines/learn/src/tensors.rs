//! Packs numbers into safetensors and takes them out again, refusing what does not fit, without a panic on hostile bytes (T4).

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::error::{LearnError, ModelError};

/// Tensors to be written, by name.
#[derive(Default)]
pub(crate) struct Pack {
    tensors: BTreeMap<&'static str, (Dtype, usize, Vec<u8>)>,
}

impl Pack {
    pub(crate) fn u32(mut self, name: &'static str, values: &[u32]) -> Self {
        self.tensors.insert(name, (Dtype::U32, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect()));
        self
    }

    pub(crate) fn f32(mut self, name: &'static str, values: &[f32]) -> Self {
        self.tensors.insert(name, (Dtype::F32, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect()));
        self
    }

    pub(crate) fn f64(mut self, name: &'static str, values: &[f64]) -> Self {
        self.tensors.insert(name, (Dtype::F64, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect()));
        self
    }

    pub(crate) fn bytes(&self) -> Result<Vec<u8>, LearnError> {
        let refused = |error: safetensors::SafeTensorError| LearnError::Write(error.to_string());
        let mut views = Vec::new();
        for (name, (kind, count, bytes)) in &self.tensors {
            views.push((*name, TensorView::new(*kind, vec![*count], bytes).map_err(refused)?));
        }
        serialize(views, None).map_err(refused)
    }
}

/// Tensors of one file.
pub(crate) struct Unpack<'a> {
    file: &'static str,
    tensors: SafeTensors<'a>,
}

impl<'a> Unpack<'a> {
    /// Opens a file that has exactly these tensors.
    pub(crate) fn new(file: &'static str, bytes: &'a [u8], names: &[&str]) -> Result<Self, ModelError> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| ModelError::malformed(file, error.to_string()))?;
        if tensors.len() != names.len() {
            return Err(ModelError::malformed(file, format!("`{}` tensors instead of `{}`", tensors.len(), names.len())));
        }
        Ok(Self { file, tensors })
    }

    fn numbers<const WIDTH: usize, T>(&self, name: &str, kind: Dtype, read: fn([u8; WIDTH]) -> T) -> Result<Vec<T>, ModelError> {
        let view = self.tensors.tensor(name).map_err(|error| ModelError::malformed(self.file, error.to_string()))?;
        if view.dtype() != kind || view.shape().len() != 1 {
            return Err(ModelError::malformed(self.file, format!("tensor `{name}` has another type or shape")));
        }
        let (chunks, _) = view.data().as_chunks::<WIDTH>();
        Ok(chunks.iter().map(|bytes| read(*bytes)).collect())
    }

    pub(crate) fn u32(&self, name: &str) -> Result<Vec<u32>, ModelError> {
        self.numbers(name, Dtype::U32, u32::from_le_bytes)
    }

    /// Finite numbers or `NaN`s: the caller checks.
    pub(crate) fn f32(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        self.numbers(name, Dtype::F32, f32::from_le_bytes)
    }

    pub(crate) fn f64(&self, name: &str) -> Result<Vec<f64>, ModelError> {
        self.numbers(name, Dtype::F64, f64::from_le_bytes)
    }
}
