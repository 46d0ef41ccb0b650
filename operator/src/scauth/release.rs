//! Which image and which revision of the pod template a ScAuth has, and whether its pods name ids. What was chosen once
//! stays, over upgrades of the operator too, until somebody wants another: by the spec, by an annotation, or by
//! `upgrade: Automatic` when it is this one's turn. Pure functions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use kube::core::DynamicObject;
use semver::Version;
use serde_json::Value;

use crate::api::{ScAuth, Upgrade};
use crate::scauth::names::{
    ANNOTATION_IMAGE, ANNOTATION_POD_IDS, ANNOTATION_REVISION, ANNOTATION_SPEC_IMAGE, ANNOTATION_UPGRADE_TO,
};
use crate::shared::conditions::{ConditionStatus, ConditionType, find};
use crate::shared::reasons::Reason;

/// The latest revision of the pod template; `children/template.rs` lists them.
pub const LATEST: i32 = 3;

/// The operator's own release.
#[derive(Debug, Clone)]
pub struct ReleaseDefaults {
    /// The name of the release.
    pub version: String,
    /// The server's image if the spec names none. Empty if unknown, which only `render` and `diff` allow.
    pub image: String,
    /// The ids of pods that are new, or are replaced for another reason.
    pub ids: PodIds,
}

/// The user and group ids of the pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PodIds {
    /// Ours.
    #[default]
    Fixed,
    /// None, so that the cluster assigns them: OpenShift's restricted-v2 refuses pods that name ids.
    Assigned,
}

/// The value of the annotation.
const ASSIGNED: &str = "assigned";

impl PodIds {
    fn of(deployment: &DynamicObject) -> Self {
        let is_assigned = deployment.annotations().get(ANNOTATION_POD_IDS).is_some_and(|ids| ids == ASSIGNED);
        if is_assigned { Self::Assigned } else { Self::Fixed }
    }

    /// The annotation of the Deployment; releases that knew only fixed ids wrote none.
    pub fn as_annotation(self) -> Option<&'static str> {
        match self {
            Self::Fixed => None,
            Self::Assigned => Some(ASSIGNED),
        }
    }
}

/// The image and template revision that the pods should run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    pub revision: i32,
    pub image: String,
    pub ids: PodIds,
    /// The release to which they could be upgraded.
    pub available: Option<String>,
}

/// What the pods of a revision have. Nothing else compares its number.
impl Release {
    /// Whether the pods are spread over zones and nodes.
    pub fn spreads_pods(&self) -> bool {
        self.revision >= 2
    }

    /// Whether the pods have the declared applications, and the server has login pages.
    pub fn has_openid(&self) -> bool {
        self.revision >= 3
    }

    /// Whether the server knows the settings that release 0.2 does not know.
    pub fn knows_recent_settings(&self) -> bool {
        self.revision >= 3
    }

    /// Whether the server migrates an embedded database itself.
    pub fn migrates_in_server(&self) -> bool {
        self.revision >= 3
    }

    /// Whether the readiness probe runs every second.
    pub fn probes_every_second(&self) -> bool {
        self.revision >= 3
    }
}

/// Whether an automatic upgrade may begin now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpgradeTurn {
    Now,
    /// After the named ScAuth; the reason of its condition Ready, if it has the release and its pods do not serve.
    After {
        scauth: String,
        reason: Option<String>,
    },
}

/// The earlier choice.
struct Chosen {
    revision: i32,
    image: String,
    spec_image: Option<String>,
    /// `None` without a Deployment: the pods are new.
    ids: Option<PodIds>,
}

pub fn choose(
    scauth: &ScAuth,
    deployment: Option<&DynamicObject>,
    defaults: &ReleaseDefaults,
    turn: &UpgradeTurn,
) -> Release {
    let wanted = Release {
        revision: LATEST,
        image: scauth.spec.image.clone().unwrap_or_else(|| defaults.image.clone()),
        ids: defaults.ids,
        available: None,
    };
    let Some(chosen) = deployment.map_or_else(|| of_status(scauth), |live| Some(of_deployment(scauth, live))) else {
        return wanted;
    };
    let ids = chosen.ids.unwrap_or(defaults.ids);
    if chosen.revision == LATEST && chosen.image == wanted.image {
        // An annotation and `Automatic` ask for the release again in each reconcile; the ids alone move no pod.
        return Release { ids, ..wanted };
    }
    let named = scauth.annotations().get(ANNOTATION_UPGRADE_TO) == Some(&defaults.version);
    let automatic = scauth.spec.upgrade == Some(Upgrade::Automatic) && *turn == UpgradeTurn::Now;
    if chosen.spec_image != scauth.spec.image || named || automatic || chosen.revision > LATEST {
        return wanted;
    }
    Release { revision: chosen.revision, image: chosen.image, ids, available: Some(defaults.version.clone()) }
}

/// Why the annotation for an upgrade cannot have any effect, if that is certain. An earlier release may be one that an
/// operator of that release accepted, and a manifest in Git keeps it; the name of a release that never existed looks
/// the same.
pub fn unknown_upgrade(scauth: &ScAuth, defaults: &ReleaseDefaults) -> Option<String> {
    let named = scauth.annotations().get(ANNOTATION_UPGRADE_TO).filter(|named| **named != defaults.version)?;
    let quoted = named.chars().take(64).collect::<String>();
    let problem = match (Version::parse(named), Version::parse(&defaults.version)) {
        _ if named.is_empty() => "is empty".to_owned(),
        (Err(_), _) => format!("is {quoted:?}, which is not the name of a release"),
        (Ok(named), Ok(ours)) if named.cmp_precedence(&ours).is_gt() => {
            format!("is {quoted:?}, a release later than this operator's")
        }
        _ => return None,
    };
    let version = &defaults.version;
    Some(format!("annotation {ANNOTATION_UPGRADE_TO} has no effect: it {problem}; this operator has release {version}"))
}

/// Release 0.1.0 wrote no annotation: it had the first revision, and only the container shows the image.
fn of_deployment(scauth: &ScAuth, deployment: &DynamicObject) -> Chosen {
    let ids = Some(PodIds::of(deployment));
    let running = deployment.data.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str);
    match noted(deployment) {
        Some((revision, image)) => {
            Chosen { revision, image, ids, spec_image: deployment.annotations().get(ANNOTATION_SPEC_IMAGE).cloned() }
        }
        None => Chosen {
            revision: 1,
            ids,
            image: running.unwrap_or_default().to_owned(),
            spec_image: scauth.spec.image.clone().filter(|image| Some(image.as_str()) == running),
        },
    }
}

/// The revision and the image in the Deployment's annotations.
pub fn noted(deployment: &DynamicObject) -> Option<(i32, String)> {
    let note = |name: &str| deployment.annotations().get(name).cloned();
    Some((note(ANNOTATION_REVISION)?.parse().ok()?, note(ANNOTATION_IMAGE)?))
}

/// Where the Deployment is gone, the status still knows, except for the ids.
fn of_status(scauth: &ScAuth) -> Option<Chosen> {
    let status = scauth.status.as_ref()?;
    Some(Chosen {
        revision: status.template_revision?,
        image: status.image.clone()?,
        ids: None,
        spec_image: scauth.spec.image.clone().filter(|image| Some(image) == status.image.as_ref()),
    })
}

/// The order of automatic upgrades: one after the other by name, the next one when the previous one is Ready again. One
/// that is not Ready does not start and does not block others; except if its pods do not start, which a new release may
/// fix.
pub fn turn<'a>(scauth: &ScAuth, all: impl IntoIterator<Item = &'a ScAuth>, defaults: &ReleaseDefaults) -> UpgradeTurn {
    let mine = scauth.name_any();
    if scauth.spec.upgrade != Some(Upgrade::Automatic) || is_current(scauth, defaults) {
        return UpgradeTurn::Now;
    }
    if !may_begin(scauth) {
        return UpgradeTurn::After { scauth: mine, reason: None };
    }
    let others = all.into_iter().filter(|other| {
        other.spec.upgrade == Some(Upgrade::Automatic)
            && other.spec.suspend != Some(true)
            && other.metadata.deletion_timestamp.is_none()
            && other.name_any() != mine
    });
    let before = others.filter(|other| {
        let comes_first = !is_current(other, defaults) && may_begin(other) && other.name_any() < mine;
        comes_first || is_under_way(other, defaults)
    });
    let Some(first) = before.min_by_key(|other| other.name_any()) else { return UpgradeTurn::Now };
    let reason = ready(first).filter(|_| is_under_way(first, defaults)).map(|ready| ready.reason.clone());
    UpgradeTurn::After { scauth: first.name_any(), reason }
}

/// Whether it has the release, and its pods do not serve.
fn is_under_way(scauth: &ScAuth, defaults: &ReleaseDefaults) -> bool {
    is_current(scauth, defaults) && !is_up(scauth)
}

fn is_current(scauth: &ScAuth, defaults: &ReleaseDefaults) -> bool {
    let Some(status) = &scauth.status else { return false };
    let wanted = scauth.spec.image.as_ref().unwrap_or(&defaults.image);
    status.template_revision == Some(LATEST) && status.image.as_ref() == Some(wanted)
}

fn is_ready(scauth: &ScAuth) -> bool {
    ready(scauth).is_some_and(|ready| ready.status == ConditionStatus::True)
}

/// Whether its pods serve. A host that another ScAuth holds is not their fault, and no release fixes it.
fn is_up(scauth: &ScAuth) -> bool {
    is_ready(scauth) || ready(scauth).is_some_and(|ready| ready.reason == Reason::HostTaken.to_string())
}

/// A new pod would lose a volume at risk.
fn may_begin(scauth: &ScAuth) -> bool {
    if condition(scauth, ConditionType::DatabaseReady)
        .is_some_and(|found| found.reason == Reason::VolumeAtRisk.to_string())
    {
        return false;
    }
    is_up(scauth) || ready(scauth).is_some_and(|ready| ready.reason.parse().is_ok_and(Reason::is_failed_start))
}

fn ready(scauth: &ScAuth) -> Option<&Condition> {
    condition(scauth, ConditionType::Ready)
}

fn condition(scauth: &ScAuth, kind: ConditionType) -> Option<&Condition> {
    find(scauth.status.iter().flat_map(|status| &status.conditions), kind)
}
