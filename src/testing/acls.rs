//! Access control entries, which filters they match, and which there can be. They are kept and
//! listed; nobody is refused for them.

use crate::protocol::ErrorCode;

/// `ANY` in every enumeration of filters.
const ANY: i8 = 1;
/// Pattern types.
const MATCH: i8 = 2;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
/// A resource type.
const CLUSTER: i8 = 4;

/// Who may, or may not, do what from where on which resources, in Kafka's numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Acl {
    pub(super) resource_type: i8,
    pub(super) resource_name: String,
    pub(super) pattern_type: i8,
    pub(super) principal: String,
    pub(super) host: String,
    pub(super) operation: i8,
    pub(super) permission_type: i8,
}

/// Which entries; `None` matches all.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) resource_type: i8,
    pub(super) resource_name: Option<String>,
    pub(super) pattern_type: i8,
    pub(super) principal: Option<String>,
    pub(super) host: Option<String>,
    pub(super) operation: i8,
    pub(super) permission_type: i8,
}

impl Acl {
    /// Whether there can be such an entry.
    pub(super) fn check(&self) -> Result<(), (ErrorCode, String)> {
        let text = if !(2..=7).contains(&self.resource_type) {
            format!("Invalid resourceType {}", self.resource_type)
        } else if self.resource_type == CLUSTER && self.resource_name != "kafka-cluster" {
            "The only valid name for the CLUSTER resource is kafka-cluster".to_owned()
        } else if self.resource_name.is_empty() {
            "Invalid empty resource name".to_owned()
        } else if ![LITERAL, PREFIXED].contains(&self.pattern_type) {
            format!("Invalid patternType {}", self.pattern_type)
        } else if !(2..=15).contains(&self.operation) {
            format!("Invalid operation {}", self.operation)
        } else if ![2, 3].contains(&self.permission_type) {
            format!("Invalid permissionType {}", self.permission_type)
        } else {
            return Ok(());
        };
        Err((ErrorCode::INVALID_REQUEST, text))
    }
}

impl Filter {
    pub(super) fn check(&self) -> Result<(), (ErrorCode, String)> {
        let is_known = (ANY..=7).contains(&self.resource_type)
            && (ANY..=PREFIXED).contains(&self.pattern_type)
            && (ANY..=15).contains(&self.operation)
            && (ANY..=3).contains(&self.permission_type);
        if is_known {
            return Ok(());
        }
        Err((ErrorCode::INVALID_REQUEST, "The filter has elements that are unknown.".to_owned()))
    }

    pub(super) fn matches(&self, acl: &Acl) -> bool {
        let number = |wanted, is| wanted == ANY || wanted == is;
        let text = |wanted: &Option<String>, is: &String| wanted.as_ref().is_none_or(|it| it == is);
        number(self.resource_type, acl.resource_type)
            && self.matches_name(acl)
            && text(&self.principal, &acl.principal)
            && text(&self.host, &acl.host)
            && number(self.operation, acl.operation)
            && number(self.permission_type, acl.permission_type)
    }

    fn matches_name(&self, acl: &Acl) -> bool {
        let Some(name) = &self.resource_name else {
            return [ANY, MATCH, acl.pattern_type].contains(&self.pattern_type);
        };
        match self.pattern_type {
            // What applies to a resource of that name.
            MATCH if acl.pattern_type == PREFIXED => name.starts_with(&acl.resource_name),
            MATCH => *name == acl.resource_name || acl.resource_name == "*",
            wanted => (wanted == ANY || wanted == acl.pattern_type) && *name == acl.resource_name,
        }
    }
}
