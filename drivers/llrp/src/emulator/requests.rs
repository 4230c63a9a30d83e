//! What a client asks, and what it is answered.

use rfid_llrp::enumeration::*;
use rfid_llrp::message::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Decoding, Frame, Version, impinj};

use super::access;
use super::inventory::RoSpec;
use super::reader::Reader;
use super::refusal::{Outcome, Refusal};
use super::validity::{self, Place};

/// What is to be done about a connection after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    /// The connection ends once everything is sent.
    End,
}

/// The outcome as the status of an answer.
fn status(outcome: Outcome) -> LLRPStatus {
    outcome.map_or_else(|Refusal(status)| status, |()| LLRPStatus::success())
}

impl Reader {
    /// Carries out one message of a client, if it is still the one that the reader has.
    pub(super) fn carry_out(&mut self, client: u64, frame: &Frame<'_>) -> Then {
        let session = self.session.as_ref().filter(|session| session.number == client);
        let Some(session) = session else { return Then::End };
        let header = frame.header;
        let is_question = matches!(header.number, GetSupportedVersion::NUMBER | SetProtocolVersion::NUMBER);
        let highest = self.profile.version();
        // The question for versions bears the highest version there is, until one was chosen.
        let asks = is_question && !session.has_chosen && highest == Version::V1_1;
        if header.version != session.version && !(asks && header.version == Version::V1_1) {
            let closes = is_question && self.faults.faults().close_on_version_question;
            if closes {
                return Then::End;
            }
            self.refuse_version(header.version, header.id);
            return Then::GoOn;
        }
        match Message::of_frame(frame, &mut Decoding::strict()) {
            Ok(message) => self.answer_message(header.id, message),
            Err(fault) => {
                self.refuse(header.number, header.id, Refusal::of_fault(&fault).0);
                Then::GoOn
            }
        }
    }

    /// With the version that is not supported, as real readers do.
    fn refuse_version(&mut self, version: Version, id: u32) {
        let status = LLRPStatus::of(StatusCode::M_UNSUPPORTED_VERSION, "");
        let message = Message::from(ErrorMessage { status });
        // It says nothing that any version lacks.
        if let Ok(bytes) = message.encode(version, id) {
            self.answer_raw(bytes);
        }
    }

    /// The answer to a message that is not carried out.
    fn refuse(&mut self, number: u16, id: u32, status: LLRPStatus) {
        let answer: Message = match number {
            1 => GetReaderCapabilitiesResponse {
                status,
                general: None,
                llrp_capabilities: None,
                regulatory_capabilities: None,
                c1g2_llrp_capabilities: None,
                customs: Vec::new(),
            }
            .into(),
            2 => config_refused(status).into(),
            3 => SetReaderConfigResponse { status }.into(),
            14 => CloseConnectionResponse { status }.into(),
            20 => AddROSpecResponse { status }.into(),
            21 => DeleteROSpecResponse { status }.into(),
            22 => StartROSpecResponse { status }.into(),
            23 => StopROSpecResponse { status }.into(),
            24 => EnableROSpecResponse { status }.into(),
            25 => DisableROSpecResponse { status }.into(),
            26 => GetROSpecsResponse { status, ro_specs: Vec::new() }.into(),
            40 => AddAccessSpecResponse { status }.into(),
            41 => DeleteAccessSpecResponse { status }.into(),
            42 => EnableAccessSpecResponse { status }.into(),
            43 => DisableAccessSpecResponse { status }.into(),
            44 => GetAccessSpecsResponse { status, access_specs: Vec::new() }.into(),
            46 => self.versions(status).into(),
            47 => SetProtocolVersionResponse { status }.into(),
            // To messages without an answer, and to those that nobody knows.
            _ if MESSAGES.iter().any(|message| message.number == number) => ErrorMessage { status }.into(),
            _ => {
                let status = LLRPStatus::of(StatusCode::M_UNSUPPORTED_MESSAGE, "no such message");
                ErrorMessage { status }.into()
            }
        };
        self.answer(id, answer);
    }

    fn answer_message(&mut self, id: u32, message: Message) -> Then {
        match message {
            Message::GetReaderCapabilities(asked) => match self.capabilities(&asked) {
                Ok(answer) => self.answer(id, answer),
                Err(Refusal(status)) => self.refuse(1, id, status),
            },
            Message::GetReaderConfig(asked) => {
                let vendor = self.with_place(|place| {
                    asked.customs.iter().try_for_each(|custom| place.vendor(custom, &[21], &[]))
                });
                let answer = vendor.and_then(|()| self.config.answer(&self.present(), &asked));
                match answer {
                    Ok(answer) => self.answer(id, answer),
                    Err(Refusal(status)) => self.refuse(2, id, status),
                }
            }
            Message::SetReaderConfig(asked) => {
                let config = self.with_place(|place| self.config.with(place, &asked));
                let keeps_alive = asked.keepalive_spec.is_some() || asked.reset_to_factory_default;
                let outcome = config.map(|config| {
                    self.config = config;
                    self.has_changed();
                });
                if outcome.is_ok() && keeps_alive {
                    self.keepalive_changed();
                }
                self.answer(id, SetReaderConfigResponse { status: status(outcome) });
            }
            Message::CloseConnection(_) => {
                self.answer(id, CloseConnectionResponse { status: LLRPStatus::success() });
                return Then::End;
            }
            Message::AddROSpec(asked) => {
                let outcome = self.add_ro_spec(asked.ro_spec);
                self.answer(id, AddROSpecResponse { status: status(outcome) });
            }
            Message::DeleteROSpec(asked) => {
                let outcome = self.delete_ro_specs(asked.ro_spec_id);
                self.answer(id, DeleteROSpecResponse { status: status(outcome) });
            }
            Message::StartROSpec(asked) => self.start_ro_spec(id, asked.ro_spec_id),
            Message::StopROSpec(asked) => self.stop_ro_spec(id, asked.ro_spec_id),
            Message::EnableROSpec(asked) => {
                let which = self.ro_specs_of(asked.ro_spec_id);
                let outcome = which.map(|which| which.into_iter().for_each(|index| self.enable(index)));
                self.answer(id, EnableROSpecResponse { status: status(outcome) });
            }
            Message::DisableROSpec(asked) => {
                let which = self.ro_specs_of(asked.ro_spec_id);
                self.answer(id, DisableROSpecResponse { status: status(which.clone().map(drop)) });
                which.unwrap_or_default().into_iter().for_each(|index| self.disable(index));
            }
            Message::GetROSpecs(_) => {
                let ro_specs = self.ro_specs.iter().map(RoSpec::now).collect();
                self.answer(id, GetROSpecsResponse { status: LLRPStatus::success(), ro_specs });
            }
            Message::AddAccessSpec(asked) => {
                let outcome = self.add_access_spec(asked.access_spec);
                self.answer(id, AddAccessSpecResponse { status: status(outcome) });
            }
            Message::DeleteAccessSpec(asked) => {
                let outcome = self.delete_access_specs(asked.access_spec_id);
                self.answer(id, DeleteAccessSpecResponse { status: status(outcome) });
            }
            Message::EnableAccessSpec(asked) => {
                let outcome = self.set_access_specs(asked.access_spec_id, true);
                self.answer(id, EnableAccessSpecResponse { status: status(outcome) });
            }
            Message::DisableAccessSpec(asked) => {
                let outcome = self.set_access_specs(asked.access_spec_id, false);
                self.answer(id, DisableAccessSpecResponse { status: status(outcome) });
            }
            Message::GetAccessSpecs(_) => {
                let access_specs = self.access_specs.iter().map(|held| held.spec.clone()).collect();
                self.answer(id, GetAccessSpecsResponse { status: LLRPStatus::success(), access_specs });
            }
            Message::GetSupportedVersion(_) => {
                let versions = self.versions(LLRPStatus::success());
                self.answer_version(id, versions);
            }
            Message::SetProtocolVersion(asked) => self.choose_version(id, asked.protocol_version),
            Message::GetReport(_) => self.report_gathered(),
            Message::EnableEventsAndReports(_) => {
                if self.faults.faults().error_to_enabling {
                    let status = LLRPStatus::of(StatusCode::M_UNSUPPORTED_MESSAGE, "nothing is held");
                    self.answer(id, ErrorMessage { status });
                }
                self.release();
            }
            Message::KeepaliveAck(_) => self.acknowledged(),
            Message::CustomMessage(asked) => self.vendor_message(id, &asked),
            // What a reader says is not what it is told; nobody answers an ERROR_MESSAGE.
            Message::ErrorMessage(_) => {}
            _ => {
                let code = match self.session.as_ref().map(|session| session.version) {
                    Some(Version::V1_1) => StatusCode::M_UNEXPECTED_MESSAGE,
                    _ => StatusCode::M_UNSUPPORTED_MESSAGE,
                };
                let status = LLRPStatus::of(code, "a reader is not told this");
                self.answer(id, ErrorMessage { status });
            }
        }
        Then::GoOn
    }

    fn with_place<T>(&self, ask: impl FnOnce(&Place<'_>) -> T) -> T {
        let faults = self.faults.faults();
        let session = self.session.as_ref();
        ask(&Place {
            profile: self.profile,
            version: session.map_or(Version::V1_0_1, |session| session.version),
            faults: &faults,
            extensions: session.is_some_and(|session| session.extensions),
            has_utc: self.clock.has_utc(),
        })
    }

    /// The fingerprint of what was set and added is another one now.
    fn has_changed(&mut self) {
        self.state_value = self.state_value.wrapping_add(1);
    }

    // Capabilities and versions.

    fn capabilities(&self, asked: &GetReaderCapabilities) -> Outcome<GetReaderCapabilitiesResponse> {
        use CapabilitiesRequest as Request;
        let wanted = asked.requested_data;
        if wanted.meaning().is_none() {
            return Err(Refusal::field(1, StatusCode::A_INVALID, "no such data"));
        }
        self.with_place(|place| {
            asked.customs.iter().try_for_each(|custom| place.vendor(custom, &[21], &[]))?;
            let is_wanted = |data: Request| wanted == Request::ALL || wanted == data;
            let profile = place.profile;
            let details = impinj::DetailedVersion {
                model_name: "Speedway R420".to_owned(),
                serial_number: "emulated".to_owned(),
                software_version: "5.14.0.240".to_owned(),
                firmware_version: "5.14.0.240".to_owned(),
                fpga_version: String::new(),
                pcba_version: String::new(),
                customs: Vec::new(),
            };
            let mut customs = Vec::new();
            if !asked.customs.is_empty() {
                customs.extend(details.to_custom());
            }
            if place.faults.unknown_vendor {
                customs.push(Custom { vendor_id: u32::MAX, subtype: 1, data: vec![0xFF; 3] });
            }
            Ok(GetReaderCapabilitiesResponse {
                status: LLRPStatus::success(),
                general: is_wanted(Request::GENERAL_DEVICE)
                    .then(|| profile.general(place.version, place.has_utc)),
                llrp_capabilities: is_wanted(Request::LLRP).then(|| profile.llrp()),
                regulatory_capabilities: is_wanted(Request::REGULATORY).then(|| profile.regulatory()),
                c1g2_llrp_capabilities: is_wanted(Request::AIR_PROTOCOL)
                    .then(|| profile.c1g2(!place.faults.no_block_write)),
                customs,
            })
        })
    }

    fn versions(&self, status: LLRPStatus) -> GetSupportedVersionResponse {
        let current = self.session.as_ref().map_or(Version::V1_0_1, |session| session.version);
        GetSupportedVersionResponse {
            current_version: current.number(),
            supported_version: self.profile.version().number(),
            status,
        }
    }

    /// Answers of the negotiation bear the version of the question.
    fn answer_version(&mut self, id: u32, answer: impl Into<Message>) {
        if let Ok(bytes) = answer.into().encode(Version::V1_1, id) {
            self.answer_raw(bytes);
        }
    }

    fn choose_version(&mut self, id: u32, number: u8) {
        let highest = self.profile.version();
        let Some(session) = &mut self.session else { return };
        let code = match Version::from_number(number) {
            Some(version) if version <= highest && !session.has_chosen => {
                session.has_chosen = true;
                session.version = version;
                StatusCode::M_SUCCESS
            }
            Some(version) if version <= highest => StatusCode::M_UNEXPECTED_MESSAGE,
            _ => StatusCode::M_UNSUPPORTED_VERSION,
        };
        self.answer_version(id, SetProtocolVersionResponse { status: LLRPStatus::of(code, "") });
    }

    fn vendor_message(&mut self, id: u32, asked: &CustomMessage) {
        let refused = !self.profile.is_impinj() || self.faults.faults().no_extensions;
        if refused || !impinj::is_enable_extensions(asked) {
            let text = "this vendor's message is not known";
            let status = LLRPStatus::of(StatusCode::M_UNSUPPORTED_MESSAGE, text);
            return self.answer(id, ErrorMessage { status });
        }
        if let Some(session) = &mut self.session {
            session.extensions = true;
        }
        if let Ok(answer) = impinj::enable_extensions_response(&LLRPStatus::success(), self.profile.version())
        {
            self.answer(id, answer);
        }
    }

    // ROSpecs.

    fn add_ro_spec(&mut self, spec: ROSpec) -> Outcome {
        self.with_place(|place| validity::ro_spec(place, &spec))?;
        if self.ro_specs.iter().any(|held| held.spec.ro_spec_id == spec.ro_spec_id) {
            let text = "this ROSpecID is in use";
            return Err(Refusal::field_of(&[177], 1, StatusCode::A_INVALID, text));
        }
        let most = self.profile.llrp().max_num_ro_specs as usize;
        if self.ro_specs.len() >= most {
            let mut refusal =
                Refusal::parameter(&[177], StatusCode::P_OVERFLOW_PARAMETER, "too many ROSpecs");
            refusal.0.status_code = StatusCode::M_OVERFLOW_PARAMETER;
            return Err(refusal);
        }
        self.ro_specs.push(RoSpec::new(spec, self.at));
        self.has_changed();
        Ok(())
    }

    /// Places of the ROSpecs that a number means: 0 is all of them, also where there is none.
    fn ro_specs_of(&self, id: u32) -> Outcome<Vec<usize>> {
        let places: Vec<usize> = (0..self.ro_specs.len())
            .filter(|index| {
                id == 0 || self.ro_specs.get(*index).is_some_and(|held| held.spec.ro_spec_id == id)
            })
            .collect();
        if places.is_empty() && id != 0 {
            return Err(Refusal::field(1, StatusCode::A_INVALID, "there is no such ROSpec"));
        }
        Ok(places)
    }

    fn delete_ro_specs(&mut self, id: u32) -> Outcome {
        self.may_delete(id)?;
        let places = self.ro_specs_of(id)?;
        for index in places.iter().rev() {
            self.end_run(*index, None);
            self.ro_specs.remove(*index);
        }
        if !places.is_empty() {
            self.has_changed();
        }
        Ok(())
    }

    fn may_delete(&self, id: u32) -> Outcome {
        match id {
            0 if self.faults.faults().no_delete_all => {
                Err(Refusal::field(1, StatusCode::A_INVALID, "0 is no number"))
            }
            _ => Ok(()),
        }
    }

    /// The one ROSpec of a START or STOP, for which 0 is no number.
    fn one_ro_spec(&self, id: u32) -> Outcome<usize> {
        let index = self.ro_specs.iter().position(|held| id != 0 && held.spec.ro_spec_id == id);
        let index =
            index.ok_or_else(|| Refusal::field(1, StatusCode::A_INVALID, "there is no such ROSpec"))?;
        match self.ro_specs.get(index) {
            Some(held) if held.is_enabled() => Ok(index),
            _ => Err(Refusal::field(1, StatusCode::A_INVALID, "the ROSpec is disabled")),
        }
    }

    fn start_ro_spec(&mut self, id: u32, ro_spec_id: u32) {
        let found = self.one_ro_spec(ro_spec_id).and_then(|index| {
            let is_active = |held: &RoSpec| held.state() == ROSpecState::ACTIVE;
            let priority = self.ro_specs.get(index).map_or(u8::MAX, |held| held.spec.priority);
            let stands_in_the_way = |held: &RoSpec| {
                is_active(held) && (held.spec.ro_spec_id == ro_spec_id || held.spec.priority <= priority)
            };
            match self.ro_specs.iter().any(stands_in_the_way) {
                true => Err(Refusal::field(1, StatusCode::A_INVALID, "a ROSpec is active")),
                false => Ok(index),
            }
        });
        self.answer(id, StartROSpecResponse { status: status(found.clone().map(drop)) });
        // What it says of its start comes behind the answer.
        if let Ok(index) = found {
            self.start(index);
        }
    }

    fn stop_ro_spec(&mut self, id: u32, ro_spec_id: u32) {
        let found = self.one_ro_spec(ro_spec_id);
        self.answer(id, StopROSpecResponse { status: status(found.clone().map(drop)) });
        if let Ok(index) = found {
            self.end_run(index, None);
        }
    }

    // AccessSpecs.

    fn add_access_spec(&mut self, spec: AccessSpec) -> Outcome {
        self.with_place(|place| validity::access_spec(place, &spec))?;
        if self.access_specs.iter().any(|held| held.spec.access_spec_id == spec.access_spec_id) {
            let text = "this AccessSpecID is in use";
            return Err(Refusal::field_of(&[207], 1, StatusCode::A_INVALID, text));
        }
        if self.access_specs.len() >= self.profile.llrp().max_num_access_specs as usize {
            let mut refusal =
                Refusal::parameter(&[207], StatusCode::P_OVERFLOW_PARAMETER, "too many AccessSpecs");
            refusal.0.status_code = StatusCode::M_OVERFLOW_PARAMETER;
            return Err(refusal);
        }
        self.access_specs.push(access::Installed { spec, executions: 0 });
        self.has_changed();
        Ok(())
    }

    fn is_known(&self, access_spec_id: u32) -> Outcome {
        let is_there = |held: &access::Installed| held.spec.access_spec_id == access_spec_id;
        if access_spec_id != 0 && !self.access_specs.iter().any(is_there) {
            return Err(Refusal::field(1, StatusCode::A_INVALID, "there is no such AccessSpec"));
        }
        Ok(())
    }

    fn delete_access_specs(&mut self, id: u32) -> Outcome {
        self.may_delete(id)?;
        self.is_known(id)?;
        let before = self.access_specs.len();
        self.access_specs.retain(|held| id != 0 && held.spec.access_spec_id != id);
        if self.access_specs.len() != before {
            self.has_changed();
        }
        Ok(())
    }

    fn set_access_specs(&mut self, id: u32, is_enabled: bool) -> Outcome {
        self.is_known(id)?;
        for held in &mut self.access_specs {
            if id == 0 || held.spec.access_spec_id == id {
                held.spec.current_state = is_enabled;
            }
        }
        Ok(())
    }
}

fn config_refused(status: LLRPStatus) -> GetReaderConfigResponse {
    GetReaderConfigResponse {
        status,
        identification: None,
        antenna_properties: Vec::new(),
        antenna_configurations: Vec::new(),
        reader_event_notification_spec: None,
        ro_report_spec: None,
        access_report_spec: None,
        llrp_configuration_state_value: None,
        keepalive_spec: None,
        gpi_port_current_states: Vec::new(),
        gpo_write_data: Vec::new(),
        events_and_reports: None,
        customs: Vec::new(),
    }
}
