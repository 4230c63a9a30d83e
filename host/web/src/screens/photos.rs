//! Photos on the screens: at addresses that name nobody, for the session that asks.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rfid_service::record::{CustomerId, PhotoId, VisitId};
use rfid_service::service::Fault;
use rfid_service::store::PhotoSize;

use super::viewer::{Refusal, Viewer};
use crate::api::{Api, has_it};

pub(super) async fn of_visit(
    State(api): State<Api>,
    viewer: Viewer,
    Path((visit, size)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let photo = async {
        let visit: VisitId = visit.parse().map_err(|_| Fault::NotFound("photo"))?;
        api.service().guest_photo(viewer.caller(), visit, size_of(&size)?).await
    };
    let photo = photo.await.map_err(|fault| viewer.refusal(fault))?;
    Ok(answer(&headers, photo))
}

pub(super) async fn of_customer(
    State(api): State<Api>,
    viewer: Viewer,
    Path((customer, size)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let photo = async {
        let id: CustomerId = customer.parse().map_err(|_| Fault::NotFound("photo"))?;
        let customer = api.service().customer(viewer.caller(), id).await?;
        if customer.is_masked {
            return Err(Fault::NotFound("photo"));
        }
        let number = customer.record.number.as_str();
        api.service().photo(viewer.caller(), number, size_of(&size)?).await
    };
    let photo = photo.await.map_err(|fault| viewer.refusal(fault))?;
    Ok(answer(&headers, photo))
}

pub(super) fn size_of(text: &str) -> Result<PhotoSize, Fault> {
    match text {
        "large" => Ok(PhotoSize::Large),
        "small" => Ok(PhotoSize::Small),
        _ => Err(Fault::NotFound("photo")),
    }
}

pub(super) fn answer(headers: &HeaderMap, (id, photo): (PhotoId, Vec<u8>)) -> Response {
    let tag = format!("\"{id}-{}\"", photo.len());
    let has_it = has_it(headers, &tag);
    let told = [
        (header::CONTENT_TYPE, "image/jpeg".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::ETAG, tag),
    ];
    if has_it { (StatusCode::NOT_MODIFIED, told).into_response() } else { (told, photo).into_response() }
}
