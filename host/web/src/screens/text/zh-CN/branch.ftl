# 客户经理与大堂经理的画面。

screen-desk = 客户经理
screen-lobby = 大堂
on-duty = 在岗
off-duty = 离岗
sound = 声音
announce-arrived = 有客户到访
announce-alarm = 有卡片告警

current = 当前客户
current-empty = 还没有客户。客户进门后，会显示在这里。
recent = 最近六位
recent-empty = 今天还没有客户。
day = 当日到访
day-empty = 没有符合条件的到访。
day-more = 更早的到访
find = 查找
find-what = 客户号、证件号码或姓名
find-here = 在场客户的姓名或客户号
found-nobody = 没有找到客户。
found-nobody-here = 在场客户中没有。
check-in = 登记到访
check-in-number = 为客户号 { $number } 登记到访

name = 姓名
number = 客户号
id-number = 证件号码
employer = 单位
usual-business = 常办业务
home-branch = 开户网点
notes = 备注
class = 等级
state = 状态
zone = 位置
where = 位置
arrived = 到访
left = 离开
by-hand = 人工登记
was-at-desk = 已在柜台刷卡
greeted-by = 迎接
served-by = 服务
business = 办理业务
earlier = 以往到访
another-branch = 其他网点同事
photo-of = { $name }的照片

greet = 迎接
serve = 开始服务
hand-over = 转交
hand-over-to = 转交给
done = 办结送离

refused = 卡片不能使用
refused-hint = 请勿在客户面前提及，请引导至柜台处理。
suspect = 疑似复制卡
no-consent-opted-out = 不同意被识别
no-consent-not-asked = 尚未询问是否同意被识别
no-consent-hint-opted-out = 这位客户进门时不识别、不播报，到访也不登记。请照常接待。客户改变主意时，请在发卡台修改资料。
no-consent-hint-not-asked = 同意以前，这位客户进门时不识别、不播报，到访也不登记。请先询问客户，再在发卡台修改资料。
alarm = { $time } 有卡片疑似被复制，请核对客户身份。
alarm-seen = 已处理

lobby-empty = 大堂暂无等候的客户
waiting-more = 另有 { $n } 位等候
here = 在场客户
missed = 断线期间到访
cover = 已隐藏客户信息，轻触显示

ago-now = 刚刚
ago-minutes = { $n } 分钟前

filter-date = 日期
filter-from = 从
filter-until = 到
filter-class = 等级
filter-state = 状态
filter-all = 全部
keys = 快捷键
keys-hint = G 迎接 · S 服务 · H 转交 · D 办结 · / 查找 · ↑↓ 选择 · 回车显示

state-waiting = 等候
state-greeted = 已迎接
state-served = 服务中
state-left = 已离开
state-refused = 卡片异常
state-absent = 不在场

class-gold = 金卡
class-platinum = 白金
class-silver = 银卡
class-diamond = 钻石

zone-door = 门口
zone-hall = 大厅
zone-desk = 柜台

refusal-not-active = 卡片未激活
refusal-suspended = 卡片已暂停
refusal-lost = 卡片已挂失
refusal-expired = 卡片已过期
refusal-not-yet-valid = 卡片未到启用日期
refusal-revoked = 卡片已注销
refusal-replaced = 卡片已更换
refusal-other-branch = 卡片不能在本网点使用
refusal-not-authentic = 卡片未通过验证
refusal-customer-closed = 客户已销户

problem-greeted = 已有同事迎接。
problem-here-already = 客户已在场，或已不是本行客户。
problem-alarm-seen = 已有同事处理。
