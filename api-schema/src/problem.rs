//! The problem registry (RFC 9457): every way in which the server says no, as one table, and the body that carries it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The content type of every error.
pub const PROBLEM_CONTENT_TYPE: &str = "application/problem+json";

macro_rules! problems {
    ($($variant:ident $code:literal $status:literal $zh:literal $en:literal $retry:expr;)*) => {
        /// A kind of problem; its code is stable and may be relied on by clients.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemCode {
            $(#[doc = $en] $variant,)*
        }

        /// The registry, one row a code.
        pub const PROBLEMS: &[ProblemType] = &[
            $(ProblemType { problem: ProblemCode::$variant, code: $code, status: $status, title_zh: $zh, title_en: $en, retry_after_s: $retry },)*
        ];
    };
}

// One row a problem: code, status, Chinese title, English title, seconds of Retry-After when waiting helps.
problems! {
    MalformedJson "malformed_json" 400 "请求内容不是有效的 JSON" "The request body is not valid JSON" None;
    MalformedBody "malformed_body" 400 "请求内容无法解压或不完整" "The request body cannot be decompressed or is incomplete" None;
    ChecksumUnsupported "checksum_unsupported" 400 "不支持此校验算法" "The check sum's algorithm is not supported" None;
    MalformedFrame "malformed_frame" 400 "同步数据的格式有误" "The sync message is not framed correctly" None;
    TokenMissing "token_missing" 401 "缺少访问令牌" "An access token is required" None;
    TokenRefused "token_refused" 401 "访问令牌无效" "The access token is not valid" None;
    TokenExpired "token_expired" 401 "访问令牌已过期" "The access token has expired" None;
    SignatureRefused "signature_refused" 401 "签名无效" "The signature is not valid" None;
    ReplicaUnknown "replica_unknown" 401 "服务器不认识此设备" "The server does not know this replica" None;
    CodeRefused "code_refused" 403 "该代码无效、已使用或已过期" "The code is wrong, used or expired" None;
    Forbidden "forbidden" 403 "没有权限进行此操作" "This is not allowed for you" None;
    PersonUnknown "person_unknown" 403 "名册中没有此人员，请联系管理员重新登记" "The person is not known here; the administrator must enter them again" None;
    Revoked "revoked" 403 "此设备的访问已被撤销" "This replica's access has been revoked" None;
    NotFound "not_found" 404 "未找到" "Not found" None;
    AttachmentMissing "attachment_missing" 404 "附件内容尚未上传" "The attachment's bytes have not come yet" None;
    MethodNotAllowed "method_not_allowed" 405 "不支持此请求方法" "The method is not supported here" None;
    EncodingNotAcceptable "encoding_not_acceptable" 406 "客户端不接受可提供的压缩格式" "The client accepts none of the compressions on offer" None;
    BodyTimeout "body_timeout" 408 "请求内容传输超时" "The request body came too slowly" None;
    Conflict "conflict" 409 "与当前状态冲突" "This conflicts with the present state" None;
    ChangeIdReused "change_id_reused" 409 "该请求编号已用于其他内容" "This id was used for another request" None;
    UploadOffsetDiffers "upload_offset_differs" 409 "上传位置不符，请先查询" "The upload stands elsewhere; ask first" None;
    TusVersionUnsupported "tus_version_unsupported" 412 "不支持此上传协议版本" "This version of tus is not spoken" None;
    LimitExceeded "limit_exceeded" 413 "超出限制" "A limit was exceeded" None;
    ContentTypeUnsupported "content_type_unsupported" 415 "不支持此内容类型" "The content type is not supported" None;
    ContentEncodingUnsupported "content_encoding_unsupported" 415 "不支持此内容编码" "The content encoding is not supported" None;
    RangeNotSatisfiable "range_not_satisfiable" 416 "请求的范围无效" "The range cannot be served" None;
    FieldInvalid "field_invalid" 422 "有字段不符合要求" "A field is not valid" None;
    AttachmentHashDiffers "attachment_hash_differs" 422 "附件内容与登记的校验值不符" "The bytes are not those that were named" None;
    AttachmentRefused "attachment_refused" 422 "不接受此附件" "The attachment is not of a kind that is taken" None;
    UploadTakenOver "upload_taken_over" 423 "此上传已由另一请求继续" "Another request took the upload over" None;
    UpgradeRequired "upgrade_required" 426 "请升级应用后再下载" "Upgrade the app to go on downloading" None;
    TooManyRequests "too_many_requests" 429 "请求过于频繁，请稍后再试" "Too many requests; try again later" Some(30);
    AttachmentQuotaUsed "attachment_quota_used" 429 "今日附件上传额度已用完" "The day's quota for attachments is used up" Some(3600);
    ChecksumDiffers "checksum_differs" 460 "分片校验值不符" "The piece is not what its check sum says" None;
    Internal "internal" 500 "服务器内部错误" "Something went wrong on the server" None;
    Overloaded "overloaded" 503 "服务器繁忙，请稍后再试" "The server is busy; try again soon" Some(5);
    StorageFull "storage_full" 503 "服务器存储空间不足，暂时无法写入" "The server's disk is full; writing is paused" Some(60);
    ClockUnsafe "clock_unsafe" 503 "服务器时钟异常，暂停接收" "The server's clock is not trusted; taking in is paused" Some(300);
    NotReady "not_ready" 503 "服务器尚未就绪" "The server is not ready" Some(5);
}

/// What the registry says of a problem.
#[derive(Clone, Copy, Debug)]
pub struct ProblemType {
    /// Which problem.
    pub problem: ProblemCode,
    /// Its stable code.
    pub code: &'static str,
    /// The HTTP status it comes with.
    pub status: u16,
    /// Its title in Chinese.
    pub title_zh: &'static str,
    /// Its title in English.
    pub title_en: &'static str,
    /// After how many seconds to try again, when waiting helps.
    pub retry_after_s: Option<u32>,
}

impl ProblemType {
    /// The type URI, a path: `/problems/<code>`.
    pub fn type_uri(&self) -> String {
        format!("/problems/{}", self.code)
    }
}

impl ProblemCode {
    /// The registry's row.
    pub fn registered(self) -> &'static ProblemType {
        // The table is made by the same macro, in the order of the variants.
        &PROBLEMS[self as usize]
    }
}

/// The body of every error, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The type URI, relative to the server: `/problems/<code>`.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The title, Chinese unless `Accept-Language` prefers English.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code, the last part of the type.
    pub code: String,
    /// What is wrong this time; never other people's values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The request's id, to find it in the server's log.
    pub request_id: String,
    /// The limit that was exceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<ProblemLimit>,
    /// The fields that are not valid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

/// A limit with its name and value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemLimit {
    /// The limit's name, unit last, such as `body_bytes`.
    pub name: String,
    /// The most that is allowed.
    pub value: u64,
}

/// A field that is not valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// Where the field is, such as `server_keys[0].key_id`.
    pub field: String,
    /// What the field must be or is not.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_has_its_own_row_and_type() {
        let mut seen = BTreeSet::new();
        for row in PROBLEMS {
            assert_eq!(row.problem.registered().code, row.code);
            assert!(seen.insert(row.type_uri()), "{} stands twice", row.code);
            assert!((400..600).contains(&row.status));
            assert!(
                !row.title_zh.is_ascii() && row.title_en.is_ascii(),
                "{} needs both languages",
                row.code
            );
        }
    }

    #[test]
    fn whoever_must_wait_is_told_how_long() {
        for row in PROBLEMS {
            assert_eq!(
                row.retry_after_s.is_some(),
                matches!(row.status, 429 | 503),
                "{}",
                row.code
            );
        }
    }
}
