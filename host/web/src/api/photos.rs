//! Photos of customers.

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, put};
use rfid_door::Raw;
use rfid_service::photo::MOST_BYTES;
use rfid_service::rights::Action;
use rfid_service::service::view::{CustomerView, RequestView};
use rfid_service::store::PhotoSize;
use serde::Deserialize;

use super::{Answer, Api, Asked, Body, Needs, Route, has_it, made_on, one, schema, written};
use crate::calling::Calling;
use crate::refused::Refused;

const PATH: &str = "/api/v1/customers/{customer_number}/photo";

pub(super) fn routes() -> Vec<Route> {
    let customer = || Answer::One(StatusCode::OK, "Customer", schema::<CustomerView>);
    vec![
        Route {
            method: "get",
            path: PATH,
            id: "getPhoto",
            summary: "The photo of a customer",
            needs: Needs::Right(&[Action::SeeCustomers]),
            query: &[("size", "large (a side of at most 960 pixels), or small (192); large if left out")],
            if_match: false,
            body: None,
            answer: Answer::Picture,
            handler: get(photo),
        },
        Route {
            method: "put",
            path: PATH,
            id: "takePhoto",
            summary: "Takes a photo of a customer, in place of the one that there is",
            needs: Needs::Right(&[Action::TakePhotos]),
            query: &[],
            if_match: true,
            body: Some(Body::Picture),
            answer: customer(),
            handler: put(take).layer(DefaultBodyLimit::max(MOST_BYTES)),
        },
        Route {
            method: "delete",
            path: PATH,
            id: "removePhoto",
            summary: "Takes the photo of a customer away",
            needs: Needs::Right(&[Action::TakePhotos]),
            query: &[],
            if_match: true,
            body: None,
            answer: customer(),
            handler: delete(remove),
        },
    ]
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Size {
    #[default]
    Large,
    Small,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PhotoQuery {
    #[serde(default)]
    size: Size,
}

async fn photo(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(number): Path<String>,
    Asked(PhotoQuery { size }): Asked<PhotoQuery>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let (size, name) = match size {
        Size::Large => (PhotoSize::Large, "large"),
        Size::Small => (PhotoSize::Small, "small"),
    };
    let (id, photo) = api.service.photo(&caller, &number, size).await?;
    let tag = format!("\"{id}-{name}\"");
    let mut response = if has_it(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let headers = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "no-store")];
        (headers, photo).into_response()
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

async fn take(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(number): Path<String>,
    headers: HeaderMap,
    Raw(picture): Raw,
) -> Result<Response, Refused> {
    let expected = made_on(&headers)?;
    // Whoever may not put one in asks for it.
    if !caller.grant.does(Action::TakePhotos) {
        let request = api.service.propose_photo(&caller, &number, expected, picture.to_vec()).await?;
        return Ok(one(StatusCode::ACCEPTED, &HeaderMap::new(), request.version, &RequestView::of(&request)));
    }
    let customer = api.service.take_photo(&caller, &number, expected, picture.to_vec()).await?;
    Ok(written(customer.version, &CustomerView::whole(&customer)))
}

async fn remove(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let expected = made_on(&headers)?;
    let customer = api.service.remove_photo(&caller, &number, expected).await?;
    Ok(written(customer.version, &CustomerView::whole(&customer)))
}
