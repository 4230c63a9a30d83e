# 显示屏。

screen-display = 显示屏
display-title = 刚到访的贵宾
display-idle = 欢迎光临
display-more = 另有 { $n } 位刚刚到访
display-pair = 设置显示屏
display-pair-hint = 本机设置后自动登录，只显示脱敏的到访信息。验证码由申请人和审批人各保管一半。
display-number = 显示屏编号
display-code = 验证码（两半连写）
display-pair-do = 设为显示屏
problem-not-paired = 编号或验证码不对，或本机已不能再作显示屏。请联系申请人。
