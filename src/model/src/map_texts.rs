//! The texts of a script, rewritten where what they name is known only later.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Alteration, Audience, CopySide, Credential, Interface, RawOptions, Script, StepPlan,
    TokenRequest, Transfer,
};

impl Script {
    /// The script with `change` applied to every path, target, header, scope, claim and other text
    /// that is sent.
    pub fn map_texts(&self, change: &mut dyn FnMut(&str) -> String) -> Self {
        let mut given = self.given.clone();
        for object in &mut given {
            object.path = change(&object.path);
        }
        Self {
            directories: self.directories.iter().map(|text| change(text)).collect(),
            given,
            steps: self
                .steps
                .iter()
                .map(|step| of_step(step, change))
                .collect(),
            asks: self.asks.clone(),
        }
    }
}

fn of_step(step: &StepPlan, change: &mut dyn FnMut(&str) -> String) -> StepPlan {
    let headers = step.headers.iter();
    StepPlan {
        interface: of_interface(&step.interface, change),
        path: change(&step.path),
        destination: step.destination.as_deref().map(&mut *change),
        headers: headers
            .map(|(name, value)| (name.clone(), change(value)))
            .collect(),
        wire: step.wire.as_ref().map(|wire| of_wire(wire, change)),
        token: of_credential(&step.token, change),
        control: step.control.as_ref().map(|token| of_token(token, change)),
        ..step.clone()
    }
}

fn of_interface(interface: &Interface, change: &mut dyn FnMut(&str) -> String) -> Interface {
    match interface {
        Interface::Transfer(transfer) => Interface::Transfer(Transfer {
            side: match &transfer.side {
                CopySide::Url(url) => CopySide::Url(change(url)),
                side => side.clone(),
            },
            ..transfer.clone()
        }),
        Interface::Webdav | Interface::Tape(_) | Interface::Macaroons(_) => interface.clone(),
    }
}

fn of_wire(
    wire: &RawOptions<Credential<TokenRequest>>,
    change: &mut dyn FnMut(&str) -> String,
) -> RawOptions<Credential<TokenRequest>> {
    RawOptions {
        target: wire.target.as_deref().map(&mut *change),
        other: of_credential(&wire.other, change),
        ..wire.clone()
    }
}

fn of_credential(
    credential: &Credential<TokenRequest>,
    change: &mut dyn FnMut(&str) -> String,
) -> Credential<TokenRequest> {
    match credential {
        Credential::None => Credential::None,
        Credential::Text(text) => Credential::Text(text.clone()),
        Credential::Token(token) => Credential::Token(of_token(token, change)),
        Credential::Macaroon(presented) => Credential::Macaroon(presented.clone()),
    }
}

fn of_token(token: &TokenRequest, change: &mut dyn FnMut(&str) -> String) -> TokenRequest {
    let mut all = |texts: &[String]| texts.iter().map(|text| change(text)).collect::<Vec<_>>();
    let (scopes, groups) = (all(&token.scopes), all(&token.groups));
    let audience = match &token.audience {
        Audience::One(one) => Audience::One(change(one)),
        Audience::Many(many) => Audience::Many(all(many)),
    };
    let repeated = token.repeated.iter();
    TokenRequest {
        scopes,
        groups,
        audience,
        claims: of_alterations(&token.claims, change),
        header: of_alterations(&token.header, change),
        repeated: repeated
            .map(|(name, value)| (name.clone(), of_json(value, change)))
            .collect(),
        ..token.clone()
    }
}

fn of_alterations(
    alterations: &BTreeMap<String, Alteration>,
    change: &mut dyn FnMut(&str) -> String,
) -> BTreeMap<String, Alteration> {
    let mut of_one = |alteration: &Alteration| match alteration {
        Alteration::Value(value) => Alteration::Value(of_json(value, change)),
        Alteration::Remove
        | Alteration::FromNow(_)
        | Alteration::Raw(_)
        | Alteration::Edited(_) => alteration.clone(),
    };
    alterations
        .iter()
        .map(|(name, alteration)| (name.clone(), of_one(alteration)))
        .collect()
}

fn of_json(value: &Value, change: &mut dyn FnMut(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(text)),
        Value::Array(items) => items.iter().map(|item| of_json(item, change)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), of_json(value, change)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
