//! The photo of a customer: from a file or from the camera of the desk.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rfid_service::photo::MOST_BYTES;
use rfid_service::record::{Proposal, RequestId};
use rfid_service::service::{Case, Fault, PhotoOf};
use rfid_service::store::PhotoSize;
use serde::Deserialize;

use super::super::photos::{answer, size_of};
use super::super::text::Text;
use super::super::viewer::{Frame, Refusal, Sent, Viewer, shown};
use super::multipart::{boundary_of, parts_of};
use crate::api::Api;

/// Bytes of a form with a picture in it, at most.
pub(super) const MOST_SENT: usize = MOST_BYTES + 16 * 1024;
/// A page that takes photos may use the camera.
const USES_CAMERA: &str =
    "camera=(self), microphone=(), geolocation=(), display-capture=(), usb=(), serial=(), payment=()";

#[derive(Template)]
#[template(path = "issuing/photo_page.html")]
struct PhotoPage {
    text: Text,
    frame: Frame,
    proof: String,
    photo: PhotoView,
}

#[derive(Template)]
#[template(path = "issuing/photo.html")]
struct PhotoPart {
    text: Text,
    proof: String,
    photo: PhotoView,
}

struct PhotoView {
    /// Id of the request.
    id: String,
    seen: u32,
    name: String,
    /// Whether there is one in the request already.
    has_one: bool,
    fault: String,
    watermark: String,
}

/// A picture that somebody sent from a page of theirs.
pub(super) struct SentPhoto {
    viewer: Viewer,
    seen: u32,
    picture: Bytes,
}

#[derive(Deserialize)]
pub(super) struct SeenForm {
    seen: String,
}

impl FromRequest<Api> for SentPhoto {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let viewer = Viewer::sending(&mut parts, api).await?;
        let invalid = |viewer: &Viewer| viewer.saying(StatusCode::UNPROCESSABLE_ENTITY, "problem-invalid");
        let Some(boundary) = boundary_of(&parts.headers) else { return Err(invalid(&viewer)) };
        let Ok(body) = Bytes::from_request(Request::from_parts(parts, body), api).await else {
            return Err(viewer.saying(StatusCode::PAYLOAD_TOO_LARGE, "problem-photo-too-large"));
        };
        let Some(form) = parts_of(&body, &boundary) else { return Err(invalid(&viewer)) };
        let find = |name: &str| form.iter().find(|part| part.name == name).map(|part| part.content.clone());
        viewer.proves(find("proof").as_deref())?;
        let seen = find("seen").and_then(|seen| std::str::from_utf8(&seen).ok()?.parse().ok());
        match (seen, find("photo")) {
            (Some(seen), Some(picture)) => Ok(Self { viewer, seen, picture }),
            _ => Err(invalid(&viewer)),
        }
    }
}

pub(super) async fn page(
    State(api): State<Api>,
    viewer: Viewer,
    Path(request): Path<String>,
) -> Result<Response, Refusal> {
    let case = case_of(&api, &viewer, &request).await.map_err(|fault| viewer.refusal(fault))?;
    page_of(&api, &viewer, &case, StatusCode::OK, false).await
}

pub(super) async fn take(
    State(api): State<Api>,
    Path(request): Path<String>,
    SentPhoto { viewer, seen, picture }: SentPhoto,
) -> Result<Response, Refusal> {
    let case = case_of(&api, &viewer, &request).await.map_err(|fault| viewer.refusal(fault))?;
    let id = case.request.record.id;
    match api.service().attach_photo(viewer.caller(), id, seen, picture.to_vec()).await {
        Ok(_) => Ok(viewer.leads_to(&format!("/issuing/request/{id}"))),
        Err(Fault::Invalid(_)) => page_of(&api, &viewer, &case, StatusCode::UNPROCESSABLE_ENTITY, true).await,
        Err(fault) => Err(viewer.refusal(fault)),
    }
}

pub(super) async fn remove(
    State(api): State<Api>,
    Path(request): Path<String>,
    Sent(viewer, SeenForm { seen }): Sent<SeenForm>,
) -> Result<Response, Refusal> {
    let removed = async {
        let id: RequestId = request.parse().map_err(|_| Fault::NotFound("request"))?;
        let seen = seen.parse().unwrap_or(0);
        api.service().detach_photo(viewer.caller(), id, seen).await
    };
    match removed.await {
        Ok(request) => Ok(viewer.leads_to(&format!("/issuing/request/{}", request.record.id))),
        Err(fault) => Err(viewer.refusal(fault)),
    }
}

/// A photo of a request, for whoever has to do with it.
pub(super) async fn picture(
    State(api): State<Api>,
    viewer: Viewer,
    Path((request, which, size)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let photo = async {
        let id: RequestId = request.parse().map_err(|_| Fault::NotFound("photo"))?;
        let which = match which.as_str() {
            "proposed" => PhotoOf::Proposed,
            "present" => PhotoOf::Present,
            _ => return Err(Fault::NotFound("photo")),
        };
        let size: PhotoSize = size_of(&size)?;
        api.service().request_photo(viewer.caller(), id, which, size).await
    };
    let photo = photo.await.map_err(|fault| viewer.refusal(fault))?;
    Ok(answer(&headers, photo))
}

/// A request that takes a photo from this person.
async fn case_of(api: &Api, viewer: &Viewer, request: &str) -> Result<Case, Fault> {
    let id: RequestId = request.parse().map_err(|_| Fault::NotFound("request"))?;
    let case = api.service().case(viewer.caller(), id).await?;
    let is_of_customer = matches!(
        case.request.record.proposal,
        Proposal::OpenCustomer { .. } | Proposal::ChangeCustomer { .. }
    );
    if case.acts.edit && is_of_customer { Ok(case) } else { Err(Fault::NotFound("request")) }
}

async fn page_of(
    api: &Api,
    viewer: &Viewer,
    case: &Case,
    status: StatusCode,
    is_refused: bool,
) -> Result<Response, Refusal> {
    let text = viewer.text.clone();
    let request = &case.request;
    let (_, name) = super::work::whom(case);
    let photo = PhotoView {
        id: request.record.id.to_string(),
        seen: request.version,
        name,
        has_one: request.record.proposal.photo().is_some(),
        fault: if is_refused { text.say("issue-photo-refused") } else { String::new() },
        watermark: viewer.watermark(api),
    };
    let proof = viewer.proof().to_owned();
    if viewer.is_part {
        return Ok((status, shown(&PhotoPart { text, proof, photo })).into_response());
    }
    let frame = Frame::of(api, viewer, "issuing").await.map_err(|fault| viewer.refusal(fault))?;
    let page = shown(&PhotoPage { text, frame, proof, photo });
    Ok((status, [(header::HeaderName::from_static("permissions-policy"), USES_CAMERA)], page).into_response())
}
