//! An authenticator of tests, that can be told to misbehave. It is built by the same reading of the standard as the code it tries;
//! the independent judge is a browser's (checks/peers/identity_peer.py).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use minicbor::Encoder;
use minicbor::encode::write::Cursor;
use serde_json::Value;

use super::{Assertion, Registration};
use crate::token::random;

pub(super) struct Device {
    pub(super) party: String,
    pub(super) flags: u8,
    pub(super) count: u32,
    pub(super) id: Vec<u8>,
    pub(super) format: &'static str,
    pub(super) algorithm: i64,
    pub(super) curve: i64,
    pub(super) tail: Vec<u8>,
    pub(super) handle: Vec<u8>,
    pub(super) pair: EcdsaKeyPair,
}

impl Device {
    /// Present, verified, attested; counts from one.
    pub(super) fn new(party: &str) -> Self {
        Self {
            party: party.to_owned(),
            flags: 0x45,
            count: 1,
            id: random::<16>().unwrap().to_vec(),
            format: "none",
            algorithm: -7,
            curve: 1,
            tail: vec![],
            handle: vec![],
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
        }
    }

    fn key(&self) -> Vec<u8> {
        let point = self.pair.public_key().as_ref();
        let mut room = [0; 256];
        let mut encoder = Encoder::new(Cursor::new(&mut room[..]));
        encoder.map(5).unwrap().i64(1).unwrap().i64(2).unwrap().i64(3).unwrap().i64(self.algorithm).unwrap();
        encoder.i64(-1).unwrap().i64(self.curve).unwrap().i64(-2).unwrap().bytes(&point[1..33]).unwrap();
        encoder.i64(-3).unwrap().bytes(&point[33..]).unwrap();
        let end = encoder.writer().position();
        room[..end].to_vec()
    }

    fn head(&self, flags: u8) -> Vec<u8> {
        [digest(&SHA256, self.party.as_bytes()).as_ref(), &[flags], &self.count.to_be_bytes()].concat()
    }

    pub(super) fn register(&self, client: &Value) -> Registration {
        let mut data = self.head(self.flags);
        if self.flags & 0x40 != 0 {
            let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
            data = [&data[..], &[0; 16], &length, &self.id, &self.key()].concat();
        }
        data.extend_from_slice(&self.tail);
        let mut room = [0; 4096];
        let mut encoder = Encoder::new(Cursor::new(&mut room[..]));
        encoder.map(3).unwrap().str("fmt").unwrap().str(self.format).unwrap();
        encoder.str("attStmt").unwrap().map(0).unwrap().str("authData").unwrap().bytes(&data).unwrap();
        let end = encoder.writer().position();
        Registration { client_data: client.to_string().into_bytes(), attestation: room[..end].to_vec(), label: "key".to_owned() }
    }

    pub(super) fn assert(&self, client: &Value) -> Assertion {
        let authenticator_data = self.head(self.flags & !0x40);
        let client_data = client.to_string().into_bytes();
        let signed = [&authenticator_data[..], digest(&SHA256, &client_data).as_ref()].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec();
        Assertion { id: self.id.clone(), client_data, authenticator_data, signature, user_handle: self.handle.clone() }
    }
}
