//! Clients that write the objects of ScAuths, and do nothing else.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{ApiResource, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::objects::{COPIED_GROUP, NO_UID, api, resource, scauth};
use crate::{SAMPLE, WORKERS};

/// What a bare client does for each ScAuth, which it creates first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bare {
    /// Creates the objects.
    Create,
    /// Applies them.
    Apply,
    /// Makes the operator's requests: reads the Namespace, creates the Secrets, applies the rest, and writes the status.
    Repeat,
}

/// A ScAuth and its objects, to be written under other names.
pub struct Sample {
    pub status: Value,
    pub objects: Vec<(ApiResource, Value)>,
}

impl Bare {
    pub fn what(self) -> &'static str {
        match self {
            Self::Create => "a bare client creates the same objects",
            Self::Apply => "a bare client applies the same objects",
            Self::Repeat => "a bare client makes the operator's requests",
        }
    }

    /// Writes copies of the sample with [`WORKERS`] workers.
    pub async fn run(self, client: &Client, sample: &Sample, numbers: Range<usize>) -> anyhow::Result<Duration> {
        let began = Instant::now();
        stream::iter(numbers)
            .map(|number| self.copy(client, sample, format!("{}-{number}", self.prefix())))
            .buffer_unordered(WORKERS)
            .try_collect::<Vec<_>>()
            .await?;
        Ok(began.elapsed())
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Apply => "applied",
            Self::Repeat => "repeated",
        }
    }

    async fn copy(self, client: &Client, sample: &Sample, name: String) -> anyhow::Result<()> {
        let kind = resource(COPIED_GROUP, "v1alpha1", "ScAuth");
        let scauths: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
        let owner = serde_json::from_value(scauth(COPIED_GROUP, &name))?;
        let owner = scauths.create(&PostParams::default(), &owner).await?;
        let uid = owner.uid().context("no uid")?;
        for (resource, object) in &sample.objects {
            let object: Value = serde_json::from_str(&object.to_string().replace(SAMPLE, &name).replace(NO_UID, &uid))?;
            self.write(&api(client, resource, &object), &serde_json::from_value(object)?).await?;
        }
        if self == Self::Repeat {
            let status: Value = serde_json::from_str(&sample.status.to_string().replace(SAMPLE, &name))?;
            let change = json!({"apiVersion": kind.api_version, "kind": kind.kind,
                "metadata": {"name": name, "uid": uid}, "status": status});
            scauths.patch_status(&name, &applying().force(), &Patch::Apply(&change)).await?;
        }
        Ok(())
    }

    async fn write(self, api: &Api<DynamicObject>, object: &DynamicObject) -> anyhow::Result<()> {
        let (name, kind) = (object.name_any(), object.types.as_ref().map_or("", |types| &types.kind));
        if self == Self::Repeat && kind == "Namespace" {
            api.get_opt(&name).await?;
        }
        if self == Self::Create || self == Self::Repeat && kind == "Secret" {
            api.create(&PostParams::default(), object).await?;
        } else {
            api.patch(&name, &applying(), &Patch::Apply(object)).await?;
        }
        Ok(())
    }
}

fn applying() -> PatchParams {
    PatchParams::apply("bench").validation_ignore()
}
