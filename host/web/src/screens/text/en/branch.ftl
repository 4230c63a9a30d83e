# The screens of the account manager and the lobby manager.

screen-desk = Account manager
screen-lobby = Lobby
on-duty = On duty
off-duty = Off duty
sound = Sound
announce-arrived = A customer has arrived
announce-alarm = There is an alarm about a card

current = Current customer
current-empty = Nobody yet. Whoever walks in appears here.
recent = Last six
recent-empty = No customer has come today.
day = Visits of the day
day-empty = No visit fits.
day-more = Earlier visits of the day
find = Find
find-what = Customer number, ID number or name
find-here = Name or number of somebody who is here
found-nobody = Nobody was found.
found-nobody-here = Nobody here fits.
check-in = Check in
check-in-number = Check in customer { $number }

name = Name
number = Number
id-number = ID number
employer = Employer
usual-business = Usual business
home-branch = Home branch
notes = Notes
class = Class
state = State
zone = Where
where = Where
arrived = Arrived
left = Left
by-hand = entered by hand
was-at-desk = card read at the desk
greeted-by = Greeted by
served-by = Served by
business = Business
earlier = Earlier visits
another-branch = somebody of another branch
photo-of = Photo of { $name }

greet = Greet
serve = Serve
hand-over = Hand over
hand-over-to = Hand over to
done = Done, has left

refused = The card cannot be used
refused-hint = Say nothing of it before others; lead the customer to a desk.
suspect = perhaps a copied card
no-consent-opted-out = Does not want to be recognised
no-consent-not-asked = Not asked yet whether to be recognised
no-consent-hint-opted-out = This customer is not recognised at the door, not announced, and no visit is registered. Serve the customer as usual. Who has changed their mind has the record changed at the issuing desk.
no-consent-hint-not-asked = Until the customer agrees, nobody is told at the door and no visit is registered. Ask the customer, then have the record changed at the issuing desk.
alarm = { $time }: a card may have been copied. Check who the customer is.
alarm-seen = Seen to

lobby-empty = Nobody waits in the hall
waiting-more = { $n } more waiting
here = Here now
missed = came while you were offline
cover = Customer data is hidden. Touch to show it.

ago-now = just now
ago-minutes = { $n } min ago

filter-date = Date
filter-from = From
filter-until = Until
filter-class = Class
filter-state = State
filter-all = All
keys = Keyboard shortcuts
keys-hint = G greet · S serve · H hand over · D done · / find · ↑↓ choose · Enter show

state-waiting = waiting
state-greeted = greeted
state-served = being served
state-left = left
state-refused = card refused
state-absent = not here

class-gold = Gold
class-platinum = Platinum
class-silver = Silver
class-diamond = Diamond

zone-door = door
zone-hall = hall
zone-desk = desk

refusal-not-active = The card is not active
refusal-suspended = The card is suspended
refusal-lost = The card is reported lost
refusal-expired = The card has expired
refusal-not-yet-valid = The card is not valid yet
refusal-revoked = The card was revoked
refusal-replaced = Another card took its place
refusal-other-branch = The card may not be used in this branch
refusal-not-authentic = The card did not prove to be authentic
refusal-customer-closed = The customer is no longer one

problem-greeted = A colleague has greeted the customer already.
problem-here-already = The customer is here already, or is no longer one.
problem-alarm-seen = A colleague has seen to it already.
